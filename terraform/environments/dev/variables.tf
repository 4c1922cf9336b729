# What can be said in terraform.tfvars, as the README of the module describes it. What is not said is the module's
# default. A tfvars file of the original sets nothing else than the first fifteen.

variable "environment" {
  type    = string
  default = "dev"
}

variable "instance_type" {
  type    = string
  default = null
}

variable "docker_image" {
  type = string
}

variable "cognito_region" {
  type    = string
  default = null
}

variable "cognito_user_pool_id" {
  type    = string
  default = null
}

variable "cognito_app_client_id" {
  type    = string
  default = null
}

variable "vpc_id" {
  type    = string
  default = null
}

variable "allowed_cidr_blocks" {
  type    = list(string)
  default = null
}

variable "admin_cidr_blocks" {
  type    = list(string)
  default = null
}

variable "websocket_port" {
  type    = number
  default = null
}

variable "http_port" {
  type    = number
  default = null
}

variable "enable_turn" {
  type    = bool
  default = null
}

variable "turn_port" {
  type    = number
  default = null
}

variable "turn_username" {
  type    = string
  default = null
}

variable "turn_password" {
  type      = string
  default   = null
  sensitive = true
}

# Region of everything that is created. Without it: cognito_region, or what AWS_REGION or the profile says.
variable "aws_region" {
  type    = string
  default = null
}

variable "create_dynamodb_table" {
  type    = bool
  default = null
}

variable "dynamodb_table_name" {
  type    = string
  default = null
}

variable "subnet_id" {
  type    = string
  default = null
}

variable "container_network" {
  type    = string
  default = null
}

variable "elastic_ip_allocation_id" {
  type    = string
  default = null
}

variable "ssh_key_name" {
  type    = string
  default = null
}

variable "domain_name" {
  type    = string
  default = null
}

variable "route53_zone_id" {
  type    = string
  default = null
}

variable "acme_email" {
  type    = string
  default = null
}

variable "turn_secret_version" {
  type    = number
  default = null
}

variable "turn_password_parameter" {
  type    = string
  default = null
}

variable "alarm_topic_arn" {
  type    = string
  default = null
}

variable "server_settings" {
  type    = map(string)
  default = null
}

# What is made here may be thrown away.
variable "deletion_protection" {
  type    = bool
  default = false
}

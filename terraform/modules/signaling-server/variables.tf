# The variables of the original module, with the same meanings.

variable "environment" {
  description = "Name of this deployment, such as `dev` or `production`; part of the names of what is created."
  type        = string
  default     = "dev"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9_-]{0,23}$", var.environment))
    error_message = "environment must be up to 24 letters, digits, hyphens and underscores, and begin with a letter."
  }
}

variable "instance_type" {
  description = "EC2 instance type, of x86_64 or arm64; the images must exist for it. A change stops and starts the instance, or replaces it: see \"Upgrades\"."
  type        = string
  default     = "t3.micro"
  nullable    = false
}

variable "docker_image" {
  description = "Parley's container image. Name a version or a digest: an image is pulled once, and not again when it changes under the same name. One in a private ECR repository is pulled with the instance's role."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9._/:@-]*$", var.docker_image))
    error_message = "docker_image must be the name of a container image, such as registry.example/parley:1.0.0."
  }
}

variable "cognito_region" {
  description = "Region of the Cognito user pool. Without it: the region of the provider."
  type        = string
  default     = null
}

variable "cognito_user_pool_id" {
  description = "An existing Cognito user pool. Without it: one is created."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z0-9-]+_[a-zA-Z0-9]+$", coalesce(var.cognito_user_pool_id, "none_1")))
    error_message = "cognito_user_pool_id must be like eu-central-1_AbCdEfGhI."
  }
}

variable "cognito_app_client_id" {
  description = "An existing app client of that pool, without a secret and with USER_PASSWORD_AUTH. Without it: one is created in the pool."
  type        = string
  default     = null
}

variable "vpc_id" {
  description = "VPC of the instance. Without it: the default VPC of the region."
  type        = string
  default     = null
}

variable "allowed_cidr_blocks" {
  description = "IPv4 networks whose peers may use the server (and the TURN server)."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = length(var.allowed_cidr_blocks) > 0 && alltrue([for block in var.allowed_cidr_blocks : can(cidrnetmask(block))])
    error_message = "allowed_cidr_blocks must be IPv4 networks, such as 203.0.113.0/24, and at least one."
  }
}

variable "admin_cidr_blocks" {
  description = "IPv4 networks from which SSH is allowed, if `ssh_key_name` is given too. Session Manager needs neither."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for block in var.admin_cidr_blocks : can(cidrnetmask(block))])
    error_message = "admin_cidr_blocks must be IPv4 networks, such as 203.0.113.7/32."
  }
}

variable "websocket_port" {
  description = "Port of the WebSocket server on the instance. With `domain_name`, peers use 443 instead."
  type        = number
  default     = 8080
  nullable    = false

  validation {
    condition     = var.websocket_port >= 1 && var.websocket_port <= 65535 && floor(var.websocket_port) == var.websocket_port
    error_message = "websocket_port must be a whole number from 1 to 65535."
  }
}

variable "http_port" {
  description = "Port of the HTTP API on the instance. With `domain_name`, peers use 443 instead."
  type        = number
  default     = 8001
  nullable    = false

  validation {
    condition     = var.http_port >= 1 && var.http_port <= 65535 && floor(var.http_port) == var.http_port && var.http_port != var.websocket_port
    error_message = "http_port must be a whole number from 1 to 65535, and not websocket_port."
  }
}

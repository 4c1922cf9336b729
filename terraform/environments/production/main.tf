terraform {
  required_version = ">= 1.11"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "~> 5.100"
    }
  }

  # Which bucket is said at "terraform init -backend-config=backend.hcl".
  backend "s3" {}
}

provider "aws" {
  region = try(coalesce(var.aws_region, var.cognito_region), null)
}

module "signaling_server" {
  source = "../../modules/signaling-server"

  environment           = var.environment
  instance_type         = var.instance_type
  docker_image          = var.docker_image
  cognito_region        = var.cognito_region
  cognito_user_pool_id  = var.cognito_user_pool_id
  cognito_app_client_id = var.cognito_app_client_id
  vpc_id                = var.vpc_id
  allowed_cidr_blocks   = var.allowed_cidr_blocks
  admin_cidr_blocks     = var.admin_cidr_blocks
  websocket_port        = var.websocket_port
  http_port             = var.http_port

  create_dynamodb_table    = var.create_dynamodb_table
  dynamodb_table_name      = var.dynamodb_table_name
  subnet_id                = var.subnet_id
  container_network        = var.container_network
  elastic_ip_allocation_id = var.elastic_ip_allocation_id
  ssh_key_name             = var.ssh_key_name
  domain_name              = var.domain_name
  route53_zone_id          = var.route53_zone_id
  acme_email               = var.acme_email
  enable_turn              = var.enable_turn
  turn_port                = var.turn_port
  turn_username            = var.turn_username
  turn_password            = var.turn_password
  turn_secret_version      = var.turn_secret_version
  turn_password_parameter  = var.turn_password_parameter
  alarm_topic_arn          = var.alarm_topic_arn
  server_settings          = var.server_settings
  deletion_protection      = var.deletion_protection

  # Logs are there when somebody asks.
  log_retention_days = 90
}

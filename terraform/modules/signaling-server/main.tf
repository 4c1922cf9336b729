data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  name   = "parley-${var.environment}"
  region = data.aws_region.current.name
  arn    = "arn:${data.aws_partition.current.partition}"

  # IAM takes no two tags whose keys differ in nothing but case: yours go before the module's.
  own_tags = { Project = "parley", Environment = var.environment }
  tags     = merge({ for key, value in local.own_tags : key => value if !contains([for given in keys(var.tags) : lower(given)], lower(key)) }, var.tags)

  # An empty string is what a tfvars file has for "none". Nothing else in the module reads these variables.
  given_pool_id   = var.cognito_user_pool_id == "" ? null : var.cognito_user_pool_id
  given_client_id = var.cognito_app_client_id == "" ? null : var.cognito_app_client_id
  given_vpc_id    = var.vpc_id == "" ? null : var.vpc_id
  given_subnet_id = var.subnet_id == "" ? null : var.subnet_id
  given_eip_id    = var.elastic_ip_allocation_id == "" ? null : var.elastic_ip_allocation_id
  ssh_key_name    = var.ssh_key_name == "" ? null : var.ssh_key_name
  alarm_topic_arn = var.alarm_topic_arn == "" ? null : var.alarm_topic_arn
  domain_name     = var.domain_name == "" ? null : var.domain_name
  route53_zone_id = var.route53_zone_id == "" ? null : var.route53_zone_id
  acme_email      = var.acme_email == "" ? null : var.acme_email
  given_parameter = var.turn_password_parameter == "" ? null : var.turn_password_parameter
  cognito_region  = var.cognito_region == null || var.cognito_region == "" ? local.region : var.cognito_region
  elsewhere       = var.dynamodb_region == null || var.dynamodb_region == "" ? local.cognito_region : var.dynamodb_region

  # Decided by what is said, not by what is known: whether an id is given may be unknown while its resource is planned,
  # and then these have to be set.
  create_pool   = coalesce(var.create_cognito_user_pool, local.given_pool_id == null)
  create_client = coalesce(var.create_cognito_app_client, local.given_client_id == null)
  create_table  = coalesce(var.create_dynamodb_table, local.create_pool)

  dynamodb_region = local.create_table ? local.region : local.elsewhere

  has_domain = local.domain_name != null
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  name   = "parley-${var.environment}"
  region = data.aws_region.current.name
  arn    = "arn:${data.aws_partition.current.partition}"
  tags   = merge({ Project = "parley", Environment = var.environment }, var.tags)

  # Decided by what is said, not by what is known: whether an id is given may be unknown while its resource is planned,
  # and then these have to be set. An empty string is what a tfvars file has for "none".
  create_pool   = coalesce(var.create_cognito_user_pool, var.cognito_user_pool_id == null || var.cognito_user_pool_id == "")
  create_client = coalesce(var.create_cognito_app_client, var.cognito_app_client_id == null || var.cognito_app_client_id == "")
  create_table  = coalesce(var.create_dynamodb_table, local.create_pool)

  cognito_region  = try(coalesce(var.cognito_region), local.region)
  dynamodb_region = local.create_table ? local.region : try(coalesce(var.dynamodb_region), local.cognito_region)

  has_domain = var.domain_name != null
}

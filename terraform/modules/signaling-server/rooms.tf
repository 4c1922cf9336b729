module "rooms_table" {
  source = "../rooms-table"
  count  = local.create_table ? 1 : 0

  name                = var.dynamodb_table_name
  deletion_protection = var.deletion_protection
  tags                = local.tags
}

locals {
  # The ARN of an existing table is put together, not looked up: whoever applies this needs no right to read the table.
  table_arn = local.create_table ? module.rooms_table[0].arn : "${local.arn}:dynamodb:${local.dynamodb_region}:${data.aws_caller_identity.current.account_id}:table/${var.dynamodb_table_name}"
}

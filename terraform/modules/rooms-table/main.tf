# The table of rooms as the original had it: one key, no index. What else an item has (created_by, token, expires_at
# and Parley's own attributes) is not declared, as DynamoDB wants to know the types of keys only.
resource "aws_dynamodb_table" "rooms" {
  name                        = var.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "room_id"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "room_id"
    type = "S"
  }

  # In seconds since the epoch. DynamoDB may take days to delete what has expired; Parley does not wait for that.
  ttl {
    attribute_name = "expires_at"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  # With the key that AWS keeps for DynamoDB in this account (aws/dynamodb): its use is in CloudTrail, and who may use
  # the table needs no permission on the key.
  server_side_encryption {
    enabled = true
  }
}

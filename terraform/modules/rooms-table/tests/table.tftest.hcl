mock_provider "aws" {}

variables {
  name = "rooms"
}

run "is_the_table_of_the_original_and_protected" {
  assert {
    condition     = aws_dynamodb_table.rooms.name == "rooms" && aws_dynamodb_table.rooms.hash_key == "room_id" && aws_dynamodb_table.rooms.range_key == null
    error_message = "The key is not the original's."
  }
  assert {
    condition     = [for attribute in aws_dynamodb_table.rooms.attribute : "${attribute.name} ${attribute.type}"] == ["room_id S"]
    error_message = "Attributes are declared that are no keys."
  }
  assert {
    condition     = aws_dynamodb_table.rooms.billing_mode == "PAY_PER_REQUEST"
    error_message = "The table is not paid by the request."
  }
  assert {
    condition     = aws_dynamodb_table.rooms.ttl[0].enabled && aws_dynamodb_table.rooms.ttl[0].attribute_name == "expires_at"
    error_message = "Rooms that have expired stay."
  }
  assert {
    condition     = aws_dynamodb_table.rooms.point_in_time_recovery[0].enabled
    error_message = "What is lost cannot be recovered."
  }
  assert {
    condition     = aws_dynamodb_table.rooms.server_side_encryption[0].enabled
    error_message = "The table is not encrypted with a key of the account."
  }
  assert {
    condition     = aws_dynamodb_table.rooms.deletion_protection_enabled
    error_message = "The table may be deleted by mistake."
  }
}

run "does_without_protection_only_if_told_to" {
  variables {
    deletion_protection = false
  }
  assert {
    condition     = !aws_dynamodb_table.rooms.deletion_protection_enabled
    error_message = "deletion_protection has no effect."
  }
}

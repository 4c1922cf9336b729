# terraform.tfvars.example, as the tests apply it: terraform test -var-file=terraform.tfvars.example

mock_provider "aws" {
  source = "../../modules/signaling-server/tests/mocks"
}

run "creates_everything" {
  assert {
    condition     = output.cognito_user_pool_id == "eu-central-1_Created00" && output.dynamodb_table_arn == "arn:aws:dynamodb:eu-central-1:111122223333:table/created"
    error_message = "Pool or table are not created."
  }
  assert {
    condition     = output.websocket_url == "ws://203.0.113.10:8080" && output.http_url == "http://203.0.113.10:8001"
    error_message = "The server is elsewhere."
  }
}

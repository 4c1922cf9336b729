# terraform.tfvars.example, as the tests apply it: terraform test -var-file=terraform.tfvars.example

mock_provider "aws" {
  source = "../../modules/signaling-server/tests/mocks"
}

run "takes_what_the_original_left" {
  assert {
    condition     = output.cognito_user_pool_id == "eu-central-1_AbCdEfGhI" && output.cognito_app_client_id == "1h57kf5cpq17m0eml12example" && output.dynamodb_table_arn == "arn:aws:dynamodb:eu-central-1:111122223333:table/rooms"
    error_message = "Another pool, client or table than the original's is used."
  }
  assert {
    condition     = output.websocket_url == "wss://parley.example.com" && output.http_url == "https://parley.example.com" && output.turn_url == "turn:203.0.113.10:3478"
    error_message = "There is no TLS or no TURN server."
  }
}

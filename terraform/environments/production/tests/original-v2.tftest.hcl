# terraform test -filter=tests/original-v2.tftest.hcl -var-file=tests/original-v2.tfvars.example

mock_provider "aws" {
  source = "../../modules/signaling-server/tests/mocks"
}

run "goes_on_with_the_variables_of_the_original" {
  assert {
    condition     = output.cognito_user_pool_id == "us-west-2_AbCdEfGhI" && output.cognito_app_client_id == "1h57kf5cpq17m0eml12example" && output.dynamodb_table_arn == "arn:aws:dynamodb:us-west-2:111122223333:table/rooms"
    error_message = "Another pool, client or table than the original's is used."
  }
  assert {
    condition     = output.websocket_url == "ws://203.0.113.10:8080" && output.http_url == "http://203.0.113.10:8001"
    error_message = "Deployed clients do not find the server."
  }
  assert {
    condition     = output.turn_url == "turn:203.0.113.10:3478"
    error_message = "There is no TURN server, which the second version had."
  }
}

output "public_ip" {
  value = module.signaling_server.public_ip
}

output "elastic_ip" {
  value = module.signaling_server.elastic_ip
}

output "public_dns" {
  value = module.signaling_server.public_dns
}

output "websocket_url" {
  value = module.signaling_server.websocket_url
}

output "http_url" {
  value = module.signaling_server.http_url
}

output "instance_id" {
  value = module.signaling_server.instance_id
}

output "cognito_user_pool_id" {
  value = module.signaling_server.cognito_user_pool_id
}

output "cognito_app_client_id" {
  value = module.signaling_server.cognito_app_client_id
}

output "dynamodb_table_arn" {
  value = module.signaling_server.dynamodb_table_arn
}

output "log_group_name" {
  value = module.signaling_server.log_group_name
}

output "turn_url" {
  value = module.signaling_server.turn_url
}

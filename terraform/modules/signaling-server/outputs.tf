# The outputs of the original module.

output "public_ip" {
  description = "Public IPv4 address of the server: the Elastic IP."
  value       = local.elastic_ip.public_ip
}

output "elastic_ip" {
  description = "The Elastic IP; it stays when the instance is replaced."
  value       = local.elastic_ip.public_ip
}

output "public_dns" {
  description = "AWS's name of that address."
  value       = local.elastic_ip.public_dns
}

output "websocket_url" {
  description = "URL of the WebSocket server."
  value       = local.has_domain ? "wss://${local.domain_name}" : "ws://${local.elastic_ip.public_ip}:${var.websocket_port}"
}

output "http_url" {
  description = "URL of the HTTP API."
  value       = local.has_domain ? "https://${local.domain_name}" : "http://${local.elastic_ip.public_ip}:${var.http_port}"
}

output "instance_id" {
  description = "Id of the EC2 instance."
  value       = aws_instance.server.id
}

# What the original did not have.

output "cognito_user_pool_id" {
  description = "The user pool, created or given."
  value       = local.user_pool_id
}

output "cognito_app_client_id" {
  description = "The app client, created or given."
  value       = local.client_id
}

output "dynamodb_table_arn" {
  description = "ARN of the table of rooms, created or given."
  value       = local.table_arn
}

output "log_group_name" {
  description = "CloudWatch log group of the containers."
  value       = aws_cloudwatch_log_group.server.name
}

output "iam_role_name" {
  description = "Role of the instance, for a policy of your own."
  value       = aws_iam_role.server.name
}

output "security_group_id" {
  description = "Security group of the instance, for rules of your own."
  value       = aws_security_group.server.id
}

output "turn_url" {
  description = "URL of the TURN server; null without a TURN server on the instance."
  value       = local.has_turn ? "turn:${local.elastic_ip.public_ip}:${var.turn_port}" : null
}

output "turn_secret_parameter" {
  description = "SSM parameter that holds the secret of the TURN server on the instance; null without one."
  value       = one(aws_ssm_parameter.turn_secret[*].name)
}

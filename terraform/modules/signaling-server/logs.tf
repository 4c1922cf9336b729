resource "aws_cloudwatch_log_group" "server" {
  name              = "/${local.name}/server"
  retention_in_days = var.log_retention_days
  tags              = local.tags
}

locals {
  metric_namespace = "Parley/${var.environment}"
  log_group_arn    = "${local.arn}:logs:${local.region}:${data.aws_caller_identity.current.account_id}:log-group:${aws_cloudwatch_log_group.server.name}"
}

# What the server answered with 503 (a service that it needs is away) or 500 (an unforeseen error), and what else it
# logs as an error: 40 and 50 are pino's levels warn and error. And what Caddy answered itself with a 5xx, as it does not
# reach the server. Not the instance's own question whether it is ready, which comes every minute and has its own alarm.
resource "aws_cloudwatch_log_metric_filter" "failures" {
  name           = "${local.name}-failures"
  log_group_name = aws_cloudwatch_log_group.server.name
  pattern        = "{ (($.level = 40) && ($.msg = \"service unavailable\") && (($.path NOT EXISTS) || ($.path != \"/readyz\"))) || ($.level >= 50) || (($.status >= 500) && ($.request.uri != \"/readyz\")) }"

  metric_transformation {
    namespace     = local.metric_namespace
    name          = "Failures"
    value         = "1"
    default_value = "0"
    unit          = "Count"
  }
}

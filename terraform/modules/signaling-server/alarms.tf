locals {
  open_session = "aws ssm start-session --region ${local.region} --target ${aws_instance.server.id}"

  # Each: what is measured, when it is too much, and what to do about it. Missing data is never "breaching": an alarm that
  # is created before its first data would fire. Where silence itself is bad news, the topic is told when data stops
  # (INSUFFICIENT_DATA), which is no change at the creation, as that is the state in which an alarm begins.
  alarms = {
    instance = {
      namespace  = "AWS/EC2", metric = "StatusCheckFailed", statistic = "Maximum", dimensions = { InstanceId = aws_instance.server.id }
      comparison = "GreaterThanOrEqualToThreshold", threshold = 1, period = 60, periods = 3, missing = "missing", silence = true
      what_to_do = "EC2 says that the instance or its host is broken; without data (INSUFFICIENT_DATA), it does not run. Look at it in the console; stop and start it to move it to another host: its disk and its address stay."
    }
    unhealthy = {
      namespace  = local.metric_namespace, metric = "Ready", statistic = "Maximum", dimensions = {}
      comparison = "LessThanThreshold", threshold = 1, period = 60, periods = 3, missing = "missing", silence = true
      what_to_do = "/readyz has not answered well for three minutes: Cognito, DynamoDB or the server is away, or the Elastic IP could not be taken. Without data (INSUFFICIENT_DATA), the instance reports nothing. Run ${local.open_session}, there: systemctl status parley; journalctl --unit parley --lines 50 --no-pager; the log of the set-up is /var/log/parley-user-data.log."
    }
    cpu = {
      namespace  = "AWS/EC2", metric = "CPUUtilization", statistic = "Average", dimensions = { InstanceId = aws_instance.server.id }
      comparison = "GreaterThanThreshold", threshold = 80, period = 300, periods = 3, missing = "missing", silence = false
      what_to_do = "The processor has been busy for a quarter of an hour. Look at /metrics for what the peers do; take a bigger instance_type if it is wanted."
    }
    memory = {
      namespace  = local.metric_namespace, metric = "MemoryUsed", statistic = "Maximum", dimensions = {}
      comparison = "GreaterThanThreshold", threshold = 85, period = 60, periods = 10, missing = "missing", silence = false
      what_to_do = "The memory has been nearly full for ten minutes. Look at docker stats on the instance and at /metrics; take a bigger instance_type, or lower PARLEY_MAX_QUEUE_BYTES in server_settings."
    }
    failures = {
      namespace  = local.metric_namespace, metric = "Failures", statistic = "Sum", dimensions = {}
      comparison = "GreaterThanThreshold", threshold = 5, period = 300, periods = 1, missing = "notBreaching", silence = false
      what_to_do = "More than five requests within five minutes were answered with a 5xx or failed. Look in the log group ${aws_cloudwatch_log_group.server.name} for msg = service unavailable (is Cognito or DynamoDB away or throttling?), for level 50, and for a status that Caddy answered itself (does the server run?)."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "server" {
  for_each = local.alarms

  alarm_name          = "${local.name}-${each.key}"
  alarm_description   = each.value.what_to_do
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  comparison_operator = each.value.comparison
  threshold           = each.value.threshold
  period              = each.value.period
  evaluation_periods  = each.value.periods
  treat_missing_data  = each.value.missing
  alarm_actions       = compact([local.alarm_topic_arn])
  ok_actions          = compact([local.alarm_topic_arn])
  tags                = local.tags

  insufficient_data_actions = compact([each.value.silence ? local.alarm_topic_arn : null])
}

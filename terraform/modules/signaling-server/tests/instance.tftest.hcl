# The instance: its disk, its metadata service, its start, its logs, and who is told if it is unwell.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  docker_image = "registry.example/parley:1.0.0"
}

run "is_hardened" {
  assert {
    condition     = aws_instance.server.metadata_options[0].http_tokens == "required" && aws_instance.server.metadata_options[0].http_endpoint == "enabled"
    error_message = "The metadata service answers requests without a token."
  }
  assert {
    condition     = aws_instance.server.metadata_options[0].http_put_response_hop_limit == 2
    error_message = "A container gets no credentials, or somebody farther away does."
  }
  assert {
    condition     = aws_instance.server.root_block_device[0].encrypted
    error_message = "The disk is not encrypted."
  }
  assert {
    condition     = aws_instance.server.ami == "ami-0123456789abcdef0" && data.aws_ssm_parameter.ami.name == "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
    error_message = "The instance does not begin with the newest Amazon Linux 2023 for its processor."
  }
  assert {
    condition     = aws_instance.server.subnet_id == "subnet-a" && aws_instance.server.associate_public_ip_address
    error_message = "The instance is not in a public subnet."
  }
  assert {
    condition     = aws_eip_association.server[0].instance_id == aws_instance.server.id && aws_eip_association.server[0].allocation_id == "eipalloc-created"
    error_message = "The Elastic IP is not the instance's."
  }
  assert {
    condition     = aws_instance.server.user_data_replace_on_change == false && strcontains(local.user_data, "[scripts-user, always]")
    error_message = "A change of the user data replaces the instance, or has no effect."
  }
  assert {
    condition     = aws_instance.server.user_data_base64 == base64gzip(local.user_data) && local.user_data_bytes <= 16384
    error_message = "The user data is another, or too long for EC2."
  }
  assert {
    condition = alltrue([for option in [
      "--read-only", "--cap-drop ALL", "--security-opt no-new-privileges", "--volume parley-data:/data",
      "--publish 8080:8080", "--publish 8001:8001", "--log-opt awslogs-group=/parley-dev/server", "--log-opt mode=non-blocking",
    ] : strcontains(local.files["/etc/systemd/system/parley.service"].content, option)])
    error_message = "The container is not confined as it should be."
  }
  assert {
    condition     = aws_cloudwatch_log_group.server.name == "/parley-dev/server" && aws_cloudwatch_log_group.server.retention_in_days == 30
    error_message = "The logs are kept elsewhere or without end."
  }
  assert {
    condition     = length(aws_ssm_parameter.turn_secret) == 0 && !contains(keys(local.files), "/etc/systemd/system/parley-coturn.service") && output.turn_url == null
    error_message = "A TURN server is set up that nobody asked for."
  }
}

run "begins_with_the_amazon_linux_of_its_processor" {
  variables {
    instance_type = "t4g.small"
  }
  override_data {
    target = data.aws_ec2_instance_type.this
    values = { supported_architectures = ["arm64"] }
  }

  assert {
    condition     = data.aws_ssm_parameter.ami.name == "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64"
    error_message = "An arm64 instance begins with another processor's Amazon Linux."
  }
}

run "keeps_the_address_that_peers_know" {
  variables {
    elastic_ip_allocation_id = "eipalloc-known"
    websocket_port           = 9080
    http_port                = 9001
    server_settings          = { PARLEY_LOG_LEVEL = "debug", PARLEY_ALLOWED_ORIGINS = "https://app.example,https://b.example" }
  }

  assert {
    condition     = length(aws_eip.server) == 0 && length(aws_eip_association.server) == 0 && data.aws_eip.existing[0].id == "eipalloc-known"
    error_message = "The given Elastic IP is not used, or Terraform moves it before the server answers."
  }
  assert {
    condition     = strcontains(local.files["/usr/local/sbin/parley-report"].content, "--allocation-id eipalloc-known ")
    error_message = "The instance does not take the given Elastic IP."
  }
  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.server.policy).Statement : statement if !contains(["Rooms", "Identities", "Logs", "Metrics", "SessionManager"], statement.Sid)] == [
      {
        Sid      = "Address"
        Effect   = "Allow"
        Action   = "ec2:AssociateAddress"
        Resource = ["arn:aws:ec2:eu-central-1:111122223333:elastic-ip/eipalloc-known", "arn:aws:ec2:eu-central-1:111122223333:network-interface/*"]
      },
      {
        Sid       = "AddressOfThisInstance"
        Effect    = "Allow"
        Action    = "ec2:AssociateAddress"
        Resource  = "arn:aws:ec2:eu-central-1:111122223333:instance/*"
        Condition = { StringEquals = { "ec2:ResourceTag/Name" = "parley-dev" } }
      },
    ]
    error_message = "The instance cannot take the address, or can move others: ${aws_iam_role_policy.server.policy}"
  }
  assert {
    condition     = output.websocket_url == "ws://198.51.100.20:9080" && output.http_url == "http://198.51.100.20:9001" && output.public_dns == "ec2-198-51-100-20.eu-central-1.compute.amazonaws.com"
    error_message = "The outputs tell of another address or port."
  }
  assert {
    condition     = strcontains(local.user_data, "--publish 9080:8080") && strcontains(local.user_data, "--publish 9001:8001")
    error_message = "The container is not reached on the ports that are said."
  }
  assert {
    condition     = alltrue([for line in ["PARLEY_LOG_LEVEL=debug", "PARLEY_ALLOWED_ORIGINS=https://app.example,https://b.example"] : contains(split("\n", local.user_data), line)])
    error_message = "Further settings do not reach the server."
  }
}

run "tells_when_it_is_unwell" {
  variables {
    environment     = "production"
    alarm_topic_arn = "arn:aws:sns:eu-central-1:111122223333:operators"
  }

  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.server : name => [
      alarm.namespace, alarm.metric_name, alarm.comparison_operator, alarm.threshold, alarm.period * alarm.evaluation_periods, alarm.treat_missing_data
      ] } == {
      instance  = ["AWS/EC2", "StatusCheckFailed", "GreaterThanOrEqualToThreshold", 1, 180, "missing"]
      unhealthy = ["Parley/production", "Ready", "LessThanThreshold", 1, 180, "missing"]
      cpu       = ["AWS/EC2", "CPUUtilization", "GreaterThanThreshold", 80, 900, "missing"]
      memory    = ["Parley/production", "MemoryUsed", "GreaterThanThreshold", 85, 600, "missing"]
      failures  = ["Parley/production", "Failures", "GreaterThanThreshold", 5, 300, "notBreaching"]
    }
    error_message = "The alarms are not those of unhealthy, CPU, memory and 5xx."
  }
  assert {
    condition = { for name, alarm in aws_cloudwatch_metric_alarm.server : name => jsonencode(alarm.dimensions) if alarm.namespace == "AWS/EC2" } == {
      instance = jsonencode({ InstanceId = "i-0123456789abcdef0" })
      cpu      = jsonencode({ InstanceId = "i-0123456789abcdef0" })
    }
    error_message = "An alarm looks at another instance."
  }
  assert {
    condition = alltrue([for alarm in aws_cloudwatch_metric_alarm.server :
      alarm.alarm_actions == toset(["arn:aws:sns:eu-central-1:111122223333:operators"]) && alarm.ok_actions == alarm.alarm_actions
    ])
    error_message = "An alarm is not told to anybody."
  }
  # An alarm begins as INSUFFICIENT_DATA, and tells of changes only.
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.server : alarm.treat_missing_data != "breaching"])
    error_message = "An alarm fires when it is created, before its first data."
  }
  assert {
    condition     = toset([for name, alarm in aws_cloudwatch_metric_alarm.server : name if length(alarm.insufficient_data_actions) > 0]) == toset(["instance", "unhealthy"])
    error_message = "Nobody is told when the instance falls silent."
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.server : length(alarm.alarm_description) > 80 && length(alarm.alarm_description) <= 1024])
    error_message = "An alarm does not say what to do."
  }
  assert {
    condition     = strcontains(aws_cloudwatch_metric_alarm.server["unhealthy"].alarm_description, "journalctl --unit parley --lines 50 --no-pager") && !strcontains(aws_cloudwatch_metric_alarm.server["unhealthy"].alarm_description, "docker logs")
    error_message = "A container that has ended is gone, and with it what docker logs would print."
  }
  assert {
    condition     = strcontains(local.files["/usr/local/sbin/parley-report"].content, "--namespace Parley/production") && strcontains(local.files["/usr/local/sbin/parley-report"].content, "http://127.0.0.1:8001/readyz")
    error_message = "The instance does not report what the alarms look at."
  }
  assert {
    condition     = aws_cloudwatch_log_metric_filter.failures.log_group_name == "/parley-production/server" && aws_cloudwatch_log_metric_filter.failures.metric_transformation[0].namespace == "Parley/production" && aws_cloudwatch_log_metric_filter.failures.metric_transformation[0].name == "Failures"
    error_message = "Failures are counted under another name than the alarm looks at."
  }
  assert {
    condition     = aws_cloudwatch_log_metric_filter.failures.pattern == "{ (($.level = 40) && ($.msg = \"service unavailable\") && (($.path NOT EXISTS) || ($.path != \"/readyz\"))) || ($.level >= 50) || (($.status >= 500) && ($.request.uri != \"/readyz\")) }"
    error_message = "Other lines of the log are counted."
  }
}

run "says_which_subnet_is_missing" {
  command = plan
  override_data {
    target = data.aws_subnets.public
    values = { ids = [] }
  }
  expect_failures = [aws_instance.server]
}

run "says_what_to_do_without_a_default_vpc" {
  command = plan
  override_data {
    target = data.aws_vpcs.default
    values = { ids = [] }
  }
  expect_failures = [data.aws_vpc.this]
}

run "needs_no_default_vpc_where_a_subnet_is_given" {
  variables {
    subnet_id = "subnet-given"
  }

  assert {
    condition     = length(data.aws_vpcs.default) == 0 && local.subnet_id == "subnet-given" && aws_security_group.server.vpc_id == "vpc-of-the-subnet"
    error_message = "The instance and its security group are in two VPCs."
  }
}

run "refuses_a_subnet_of_another_vpc" {
  command = plan
  variables {
    vpc_id    = "vpc-given"
    subnet_id = "subnet-given"
  }
  expect_failures = [data.aws_subnet.given]
}

run "refuses_a_disk_that_is_too_small_for_the_system" {
  command = plan
  variables {
    root_volume_size = 7
  }
  expect_failures = [var.root_volume_size]
}

run "refuses_empty_tags" {
  command = plan
  variables {
    tags = { Team = "" }
  }
  expect_failures = [var.tags]
}

run "refuses_tags_that_are_awss" {
  command = plan
  variables {
    tags = { "AWS:team" = "media" }
  }
  expect_failures = [var.tags]
}

run "refuses_tags_that_differ_in_case_alone" {
  command = plan
  variables {
    tags = { Team = "media", team = "media" }
  }
  expect_failures = [var.tags]
}

run "refuses_signs_in_tags" {
  command = plan
  variables {
    tags = { Team = "media, signaling" }
  }
  expect_failures = [var.tags]
}

run "puts_your_tags_before_its_own" {
  variables {
    tags = { environment = "blue", Team = "média @ 1" }
  }

  assert {
    condition     = aws_iam_role.server.tags == tomap({ Project = "parley", environment = "blue", Team = "média @ 1" })
    error_message = "IAM refuses two tags whose keys differ in nothing but case."
  }
}

run "refuses_a_network_of_containers_within_the_vpcs" {
  command = plan
  override_data {
    target = data.aws_vpc.this
    values = { cidr_block = "192.168.0.0/16", cidr_block_associations = [] }
  }
  expect_failures = [aws_instance.server]
}

run "refuses_a_network_of_containers_around_a_further_one_of_the_vpc" {
  command = plan
  variables {
    container_network = "10.9.0.0/16"
  }
  override_data {
    target = data.aws_vpc.this
    values = { cidr_block = "192.168.0.0/16", cidr_block_associations = [{ association_id = "a", cidr_block = "10.9.8.0/24", state = "associated" }] }
  }
  expect_failures = [aws_instance.server]
}

run "puts_the_containers_into_another_network" {
  variables {
    domain_name       = "parley.example.com"
    container_network = "10.99.0.0/24"
  }
  override_data {
    target = data.aws_vpc.this
    values = { cidr_block = "192.168.0.0/16", cidr_block_associations = [{ association_id = "a", cidr_block = "10.98.0.0/16", state = "associated" }] }
  }

  assert {
    condition     = strcontains(local.setup_script, "docker network create --subnet 10.99.0.0/24 --ip-range 10.99.0.128/25 parley")
    error_message = "The network is another."
  }
  assert {
    condition     = strcontains(local.files["/etc/systemd/system/parley-caddy.service"].content, "--ip 10.99.0.2") && contains(split("\n", local.files["/etc/parley/parley.env"].content), "PARLEY_TRUSTED_PROXIES=10.99.0.2")
    error_message = "Caddy is not in that network, or not believed there."
  }
}

run "refuses_a_network_of_containers_that_is_none" {
  command = plan
  variables {
    container_network = "192.168.217.1/24"
  }
  expect_failures = [var.container_network]
}

run "refuses_images_that_would_add_to_the_command" {
  command = plan
  variables {
    docker_image = "parley --privileged"
    caddy_image  = "caddy --privileged"
    coturn_image = "coturn\nExecStartPost=/bin/sh"
  }
  expect_failures = [var.docker_image, var.caddy_image, var.coturn_image]
}

run "refuses_settings_that_cloud_init_would_spoil" {
  command = plan
  variables {
    server_settings = { PARLEY_ALLOWED_ORIGINS = "https://münchen.example" }
  }
  expect_failures = [var.server_settings]
}

run "refuses_user_data_that_ec2_would_not_take" {
  command = plan
  variables {
    server_settings = { PARLEY_ALLOWED_ORIGINS = join(",", [for number in range(1000) : "https://${sha256(number)}.example"]) }
  }
  expect_failures = [aws_instance.server]
}

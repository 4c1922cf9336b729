# Who reaches what, with and without TLS, TURN and SSH.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  docker_image = "registry.example/parley:1.0.0"
}

run "opens_the_two_ports_of_the_original" {
  variables {
    vpc_id              = "vpc-given"
    allowed_cidr_blocks = ["203.0.113.0/24", "198.51.100.0/24", "203.0.113.0/24"]
    admin_cidr_blocks   = ["192.0.2.7/32"]
    websocket_port      = 9080
  }

  assert {
    condition = toset([for rule in aws_vpc_security_group_ingress_rule.server : "${rule.ip_protocol} ${rule.from_port}-${rule.to_port} ${rule.cidr_ipv4}"]) == toset([
      "tcp 9080-9080 203.0.113.0/24", "tcp 9080-9080 198.51.100.0/24", "tcp 8001-8001 203.0.113.0/24", "tcp 8001-8001 198.51.100.0/24",
    ])
    error_message = "Other ports are open, or to others; SSH without a key, perhaps."
  }
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.relay_to_relay) == 0
    error_message = "Ports of relays are open without a TURN server."
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.server : "${rule.ip_protocol} ${rule.from_port}-${rule.to_port} ${rule.cidr_ipv4}"]) == toset(["tcp 443-443 0.0.0.0/0", "udp 53-53 0.0.0.0/0", "tcp 53-53 0.0.0.0/0"])
    error_message = "The instance may speak to more than it needs."
  }
  assert {
    condition     = alltrue([for rule in concat(values(aws_vpc_security_group_ingress_rule.server), values(aws_vpc_security_group_egress_rule.server)) : rule.security_group_id == aws_security_group.server.id])
    error_message = "A rule is another group's."
  }
  assert {
    condition     = aws_instance.server.vpc_security_group_ids == toset([aws_security_group.server.id]) && aws_security_group.server.vpc_id == "vpc-given"
    error_message = "The instance is in another group or VPC."
  }
}

run "is_open_to_everybody_on_8080_and_8001_unless_told_otherwise" {
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.server : "${rule.from_port} ${rule.cidr_ipv4}"]) == toset(["8080 0.0.0.0/0", "8001 0.0.0.0/0"])
    error_message = "The defaults of the ports are not the original's."
  }
}

run "lets_ssh_in_if_asked_and_with_a_key" {
  variables {
    admin_cidr_blocks = ["192.0.2.7/32"]
    ssh_key_name      = "operators"
  }

  assert {
    condition     = [for rule in aws_vpc_security_group_ingress_rule.server : rule.cidr_ipv4 if rule.from_port <= 22 && rule.to_port >= 22] == ["192.0.2.7/32"]
    error_message = "SSH is open to others than administrators, or to nobody."
  }
  assert {
    condition     = aws_instance.server.key_name == "operators"
    error_message = "The key is not on the instance."
  }
}

run "lets_no_ssh_in_with_a_key_alone" {
  variables {
    ssh_key_name = "operators"
  }

  assert {
    condition     = length([for rule in aws_vpc_security_group_ingress_rule.server : rule if rule.from_port <= 22 && rule.to_port >= 22]) == 0
    error_message = "SSH is open although nobody is named who may."
  }
}

run "opens_443_and_80_alone_with_a_domain" {
  variables {
    domain_name         = "parley.example.com"
    route53_zone_id     = "Z0123456789"
    acme_email          = "operator@example.com"
    allowed_cidr_blocks = ["203.0.113.0/24"]
  }

  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.server : "${rule.ip_protocol} ${rule.from_port}-${rule.to_port} ${rule.cidr_ipv4}"]) == toset(["tcp 443-443 203.0.113.0/24", "tcp 80-80 0.0.0.0/0"])
    error_message = "Peers get around TLS, or no certificate can be had."
  }
  assert {
    condition     = output.websocket_url == "wss://parley.example.com" && output.http_url == "https://parley.example.com"
    error_message = "The outputs do not tell of the domain."
  }
  assert {
    condition     = aws_route53_record.server[0].name == "parley.example.com" && aws_route53_record.server[0].type == "A" && aws_route53_record.server[0].records == toset(["203.0.113.10"]) && aws_route53_record.server[0].zone_id == "Z0123456789"
    error_message = "The domain does not point at the server."
  }
  assert {
    condition     = strcontains(local.files["/etc/systemd/system/parley.service"].content, "--publish 127.0.0.1:8080:8080") && strcontains(local.files["/etc/systemd/system/parley.service"].content, "--publish 127.0.0.1:8001:8001")
    error_message = "The server's own ports are published to others than the instance."
  }
  assert {
    condition     = contains(split("\n", local.files["/etc/parley/parley.env"].content), "PARLEY_TRUSTED_PROXIES=192.168.217.2") && strcontains(local.files["/etc/systemd/system/parley-caddy.service"].content, "--ip 192.168.217.2")
    error_message = "The server does not believe Caddy alone who asks."
  }
  assert {
    condition     = strcontains(local.files["/etc/parley/Caddyfile"].content, "parley.example.com {") && strcontains(local.files["/etc/parley/Caddyfile"].content, "email operator@example.com") && strcontains(local.files["/etc/systemd/system/parley-caddy.service"].content, "--volume parley-caddy:/data")
    error_message = "Caddy does not serve the domain, or forgets its certificate."
  }
  assert {
    condition     = strcontains(local.files["/usr/local/sbin/parley-report"].content, "https://parley.example.com/readyz")
    error_message = "The instance reports something else than peers see."
  }
  assert {
    condition     = strcontains(local.user_data, "systemctl enable parley-report.timer parley-cleanup.timer parley-update.timer parley.service parley-caddy.service\n")
    error_message = "Caddy does not start."
  }
}

run "runs_a_turn_server_if_asked" {
  variables {
    enable_turn         = true
    turn_secret_version = 3
    allowed_cidr_blocks = ["198.51.100.0/24"]
    turn_relay_ports    = { from = 50000, to = 50099 }
  }

  assert {
    condition = toset([for rule in aws_vpc_security_group_ingress_rule.server : "${rule.ip_protocol} ${rule.from_port}-${rule.to_port} ${rule.cidr_ipv4}"]) == toset([
      "tcp 8080-8080 198.51.100.0/24", "tcp 8001-8001 198.51.100.0/24", "udp 3478-3478 198.51.100.0/24", "tcp 3478-3478 198.51.100.0/24",
      "udp 50000-50099 198.51.100.0/24",
    ])
    error_message = "The TURN server is not reached, or more is open."
  }
  assert {
    condition     = "${aws_vpc_security_group_ingress_rule.relay_to_relay[0].ip_protocol} ${aws_vpc_security_group_ingress_rule.relay_to_relay[0].from_port}-${aws_vpc_security_group_ingress_rule.relay_to_relay[0].to_port} ${aws_vpc_security_group_ingress_rule.relay_to_relay[0].cidr_ipv4}" == "udp 50000-50099 203.0.113.10/32"
    error_message = "Two relayed peers do not reach each other."
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_egress_rule.server : "${rule.ip_protocol} ${rule.from_port}-${rule.to_port}"]) == toset(["tcp 443-443", "udp 53-53", "tcp 53-53", "udp 1024-65535"])
    error_message = "Relays do not reach peers, or the instance may speak to more than that."
  }
  assert {
    condition     = aws_ssm_parameter.turn_secret[0].type == "SecureString" && aws_ssm_parameter.turn_secret[0].name == "/parley-dev/turn-secret"
    error_message = "The secret is not kept as one."
  }
  assert {
    condition     = aws_ssm_parameter.turn_secret[0].value_wo == null && aws_ssm_parameter.turn_secret[0].value_wo_version == 3
    error_message = "The secret is in the state, or does not change with its version."
  }
  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.server.policy).Statement : statement if !contains(["Rooms", "Identities", "Logs", "Metrics", "SessionManager"], statement.Sid)] == [
      { Sid = "TurnSecret", Effect = "Allow", Action = "ssm:GetParameter", Resource = "arn:aws:ssm:eu-central-1:111122223333:parameter/parley-dev/turn-secret" },
    ]
    error_message = "The instance cannot read the secret, or can read others: ${aws_iam_role_policy.server.policy}"
  }
  assert {
    condition     = contains(split("\n", local.files["/etc/parley/parley.env"].content), "PARLEY_TURN_URLS=turn:203.0.113.10:3478?transport=udp,turn:203.0.113.10:3478?transport=tcp") && contains(split("\n", local.files["/etc/parley/parley.env"].content), "PARLEY_STUN_URLS=stun:203.0.113.10:3478")
    error_message = "Peers are not told of the TURN server."
  }
  assert {
    condition     = strcontains(local.files["/etc/systemd/system/parley.service"].content, "--env-file /run/parley/turn.env") && !strcontains(local.user_data, nonsensitive(aws_ssm_parameter.turn_secret[0].value))
    error_message = "The secret is in the user data, or the server does not get it from a file."
  }
  assert {
    condition = alltrue([for range in [
      "10.0.0.0-10.255.255.255", "100.64.0.0-100.127.255.255", "127.0.0.0-127.255.255.255", "169.254.0.0-169.254.255.255",
      "172.16.0.0-172.31.255.255", "192.168.0.0-192.168.255.255", "fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    ] : contains(split("\n", local.files["/etc/parley/turnserver.conf"].content), "denied-peer-ip=${range}")])
    error_message = "coturn relays into private networks or to the metadata service."
  }
  assert {
    condition     = alltrue([for line in ["use-auth-secret", "no-cli", "no-tcp-relay", "min-port=50000", "max-port=50099"] : contains(split("\n", local.files["/etc/parley/turnserver.conf"].content), line)])
    error_message = "coturn lets strangers in, or relays on other ports than are open."
  }
  assert {
    condition     = output.turn_url == "turn:203.0.113.10:3478" && output.turn_secret_parameter == "/parley-dev/turn-secret"
    error_message = "The outputs do not tell of the TURN server."
  }
  assert {
    condition     = local.user_data_bytes <= 16384
    error_message = "The user data is too long for EC2."
  }
}

# Each service of the original had the user name and the password of coturn from its user data.
run "runs_the_turn_server_of_the_original" {
  variables {
    turn_password    = "correct-horse:battery$staple"
    turn_port        = 3479
    turn_relay_ports = { from = 50000, to = 50099 }
  }

  assert {
    condition = toset([for rule in aws_vpc_security_group_ingress_rule.server : "${rule.ip_protocol} ${rule.from_port}-${rule.to_port}"]) == toset([
      "tcp 8080-8080", "tcp 8001-8001", "udp 3479-3479", "tcp 3479-3479", "udp 50000-50099",
    ])
    error_message = "turn_password does not open the ports of a TURN server, or opens others."
  }
  assert {
    condition     = alltrue([for line in ["TURN_HOST=203.0.113.10", "TURN_PORT=3479", "TURN_USERNAME=sleap", "PARLEY_STUN_URLS=stun:203.0.113.10:3479"] : contains(split("\n", local.files["/etc/parley/parley.env"].content), line)]) && !strcontains(local.files["/etc/parley/parley.env"].content, "PARLEY_TURN_URLS")
    error_message = "Peers are not told of the TURN server and its user, or of credentials that it does not take."
  }
  assert {
    condition     = alltrue([for line in ["lt-cred-mech", "listening-port=3479"] : contains(split("\n", local.files["/etc/parley/turnserver.conf"].content), line)]) && !can(regex("(?m)^(use-auth-secret|user-quota)", local.files["/etc/parley/turnserver.conf"].content))
    error_message = "coturn does not take the shared user, or gives it a single peer's share."
  }
  assert {
    condition     = aws_ssm_parameter.turn_secret[0].name == "/parley-dev/turn-password" && aws_ssm_parameter.turn_secret[0].type == "SecureString" && aws_ssm_parameter.turn_secret[0].value_wo == null && output.turn_secret_parameter == "/parley-dev/turn-password"
    error_message = "The password is not kept as a secret."
  }
  assert {
    condition     = !strcontains(local.user_data, "battery")
    error_message = "The password is in the user data."
  }
  assert {
    condition     = output.turn_url == "turn:203.0.113.10:3479"
    error_message = "The outputs do not tell of the TURN server."
  }

  expect_failures = [check.turn_password_is_deprecated]
}

run "runs_no_turn_server_if_told_not_to" {
  variables {
    enable_turn   = false
    turn_username = "peers"
    turn_password = "correct-horse"
  }

  assert {
    condition     = length(aws_ssm_parameter.turn_secret) == 0 && output.turn_url == null && !strcontains(local.files["/etc/parley/parley.env"].content, "TURN")
    error_message = "A TURN server is set up that nobody asked for."
  }

  expect_failures = [check.turn_password_is_deprecated]
}

run "says_that_a_user_without_a_password_has_no_effect" {
  variables {
    enable_turn   = true
    turn_username = "peers"
    turn_password = ""
  }

  assert {
    condition     = aws_ssm_parameter.turn_secret[0].name == "/parley-dev/turn-secret" && strcontains(local.files["/etc/parley/turnserver.conf"].content, "use-auth-secret")
    error_message = "The TURN server has a user without a password."
  }

  expect_failures = [check.turn_username_has_a_password]
}

run "refuses_passwords_that_coturn_would_misread" {
  command = plan
  variables {
    turn_password = "0xdeadbeef"
  }
  expect_failures = [var.turn_password]
}

run "refuses_a_port_of_coturn_among_its_relays" {
  command = plan
  variables {
    turn_port = 49152
  }
  expect_failures = [var.turn_port]
}

run "refuses_one_port_for_coturn_and_the_server" {
  command = plan
  variables {
    enable_turn = true
    turn_port   = 8080
  }
  expect_failures = [aws_security_group.server]
}

run "warns_of_more_rules_than_a_new_account_may_have" {
  command = plan
  variables {
    allowed_cidr_blocks = [for number in range(40) : "10.0.${number}.0/24"]
  }
  expect_failures = [check.rules_of_the_security_group]
}

run "takes_empty_strings_for_none" {
  variables {
    turn_password            = ""
    cognito_region           = ""
    cognito_user_pool_id     = ""
    cognito_app_client_id    = ""
    dynamodb_region          = ""
    vpc_id                   = ""
    subnet_id                = ""
    elastic_ip_allocation_id = ""
    ssh_key_name             = ""
    alarm_topic_arn          = ""
    domain_name              = ""
    route53_zone_id          = ""
    turn_password_parameter  = ""
    acme_email               = ""
    http_port                = 443
    admin_cidr_blocks        = ["192.0.2.7/32"]
  }

  assert {
    condition     = data.aws_vpc.this.id == "vpc-default" && local.subnet_id == "subnet-a"
    error_message = "The default VPC and one of its subnets are not looked up."
  }
  assert {
    condition     = length(data.aws_eip.existing) == 0 && length(aws_eip.server) == 1 && length(aws_route53_record.server) == 0
    error_message = "An Elastic IP or a zone without a name is looked up."
  }
  assert {
    condition     = toset([for rule in aws_vpc_security_group_ingress_rule.server : rule.from_port]) == toset([8080, 443])
    error_message = "Ports are open for a domain or a key without a name."
  }
  assert {
    condition     = alltrue([for alarm in aws_cloudwatch_metric_alarm.server : length(alarm.alarm_actions) == 0])
    error_message = "Alarms are told to a topic without a name."
  }
  assert {
    condition     = !contains(keys(local.files), "/usr/local/sbin/parley-turn-secret")
    error_message = "The instance fetches a password without a name."
  }
  assert {
    condition     = alltrue([for line in ["COGNITO_REGION=eu-central-1", "PARLEY_DYNAMODB_REGION=eu-central-1"] : contains(split("\n", local.files["/etc/parley/parley.env"].content), line)])
    error_message = "The regions are not those of the provider."
  }
  assert {
    condition     = output.cognito_user_pool_id == "eu-central-1_Created00" && output.http_url == "http://203.0.113.10:443"
    error_message = "No pool is created, or the server is reached by a name that is none."
  }
}

run "takes_an_empty_address_of_the_operator_for_none" {
  variables {
    domain_name = "parley.example.com"
    acme_email  = ""
  }

  assert {
    condition     = !strcontains(local.files["/etc/parley/Caddyfile"].content, "email")
    error_message = "Caddy gets an empty address."
  }
}

run "refuses_networks_that_are_none" {
  command = plan
  variables {
    allowed_cidr_blocks = ["everybody"]
  }
  expect_failures = [var.allowed_cidr_blocks]
}

run "refuses_administrators_that_are_no_networks" {
  command = plan
  variables {
    admin_cidr_blocks = ["me"]
  }
  expect_failures = [var.admin_cidr_blocks]
}

run "refuses_one_port_for_two" {
  command = plan
  variables {
    http_port = 8080
  }
  expect_failures = [var.http_port]
}

run "refuses_the_ports_of_tls_for_the_server" {
  command = plan
  variables {
    domain_name    = "parley.example.com"
    websocket_port = 443
  }
  expect_failures = [var.domain_name]
}

run "refuses_a_zone_without_a_domain" {
  command = plan
  variables {
    route53_zone_id = "Z0123456789"
  }
  expect_failures = [var.route53_zone_id]
}

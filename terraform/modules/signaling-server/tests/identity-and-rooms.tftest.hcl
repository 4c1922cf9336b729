# Which pool, client and table the server uses, who created them, and what the instance may do with them.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  docker_image = "registry.example/parley:1.0.0"
}

run "takes_what_the_variables_of_the_original_name" {
  variables {
    environment           = "production"
    instance_type         = "t3.small"
    cognito_region        = "us-east-1"
    cognito_user_pool_id  = "us-east-1_AbCdEfGhI"
    cognito_app_client_id = "1h57kf5cpq17m0eml12EXAMPLE"
    vpc_id                = "vpc-given"
    allowed_cidr_blocks   = ["0.0.0.0/0"]
    admin_cidr_blocks     = ["198.51.100.7/32"]
    websocket_port        = 8080
    http_port             = 8001
  }

  assert {
    condition     = length(aws_cognito_user_pool.peers) == 0 && length(aws_cognito_user_pool_client.server) == 0
    error_message = "A pool or a client is created although both are given."
  }
  assert {
    condition     = length(module.rooms_table) == 0
    error_message = "A table is created although the pool, and so the table, of the original is there."
  }
  assert {
    condition = alltrue([for line in [
      "COGNITO_REGION=us-east-1", "COGNITO_USER_POOL_ID=us-east-1_AbCdEfGhI",
      "COGNITO_APP_CLIENT_ID=1h57kf5cpq17m0eml12EXAMPLE", "PARLEY_DYNAMODB_TABLE=rooms", "PARLEY_DYNAMODB_REGION=us-east-1",
    ] : contains(split("\n", local.user_data), line)])
    error_message = "The server is not told of the pool, the client and the table."
  }
  assert {
    condition     = length(aws_iam_role_policy.server[*]) == 1 && aws_iam_role_policy.server.role == aws_iam_role.server.id
    error_message = "The policy is not that of the instance's role."
  }
  assert {
    condition = jsondecode(aws_iam_role_policy.server.policy) == {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "Rooms"
          Effect   = "Allow"
          Action   = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
          Resource = "arn:aws:dynamodb:us-east-1:111122223333:table/rooms"
        },
        {
          Sid      = "Identities"
          Effect   = "Allow"
          Action   = ["cognito-idp:AdminConfirmSignUp", "cognito-idp:AdminDeleteUser"]
          Resource = "arn:aws:cognito-idp:us-east-1:111122223333:userpool/us-east-1_AbCdEfGhI"
        },
        {
          Sid      = "Logs"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "arn:aws:logs:eu-central-1:111122223333:log-group:/parley-production/server:log-stream:*"
        },
        {
          Sid       = "Metrics"
          Effect    = "Allow"
          Action    = "cloudwatch:PutMetricData"
          Resource  = "*"
          Condition = { StringEquals = { "cloudwatch:namespace" = "Parley/production" } }
        },
        {
          Sid    = "SessionManager"
          Effect = "Allow"
          Action = [
            "ssm:UpdateInstanceInformation", "ssmmessages:CreateControlChannel", "ssmmessages:CreateDataChannel",
            "ssmmessages:OpenControlChannel", "ssmmessages:OpenDataChannel",
          ]
          Resource = "*"
        },
      ]
    }
    error_message = "The instance may do something else than it needs: ${aws_iam_role_policy.server.policy}"
  }
  assert {
    condition = jsondecode(aws_iam_role.server.assume_role_policy) == {
      Version   = "2012-10-17"
      Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
    }
    error_message = "Somebody else than EC2 may take the role: ${aws_iam_role.server.assume_role_policy}"
  }
  assert {
    condition     = aws_iam_instance_profile.server.role == aws_iam_role.server.name && aws_instance.server.iam_instance_profile == aws_iam_instance_profile.server.name
    error_message = "The instance does not have the role."
  }
  assert {
    condition = [output.public_ip, output.elastic_ip, output.public_dns, output.websocket_url, output.http_url, output.instance_id] == [
      "203.0.113.10", "203.0.113.10", "ec2-203-0-113-10.eu-central-1.compute.amazonaws.com", "ws://203.0.113.10:8080",
      "http://203.0.113.10:8001", "i-0123456789abcdef0",
    ]
    error_message = "The outputs of the original are not what they were."
  }
}

run "creates_pool_client_and_table_where_there_are_none" {
  variables {
    cognito_user_pool_id  = ""
    cognito_app_client_id = ""
    dynamodb_table_name   = "rooms-dev"
  }

  assert {
    condition     = length(aws_cognito_user_pool.peers) == 1 && length(aws_cognito_user_pool_client.server) == 1 && length(module.rooms_table) == 1
    error_message = "Not everything is created."
  }
  assert {
    condition     = aws_cognito_user_pool.peers[0].admin_create_user_config[0].allow_admin_create_user_only == false
    error_message = "The server cannot sign anybody up."
  }
  assert {
    condition     = aws_cognito_user_pool.peers[0].username_attributes == null && aws_cognito_user_pool.peers[0].alias_attributes == null && aws_cognito_user_pool.peers[0].mfa_configuration == "OFF"
    error_message = "User names are not plain, or a second factor is asked for."
  }
  assert {
    condition     = aws_cognito_user_pool.peers[0].deletion_protection == "ACTIVE"
    error_message = "The pool may be deleted by mistake."
  }
  assert {
    condition     = aws_cognito_user_pool.peers[0].user_pool_tier == "LITE"
    error_message = "Each sign-in costs more than it must."
  }
  assert {
    condition = alltrue([
      aws_cognito_user_pool.peers[0].password_policy[0].minimum_length == 20,
      aws_cognito_user_pool.peers[0].password_policy[0].require_lowercase,
      aws_cognito_user_pool.peers[0].password_policy[0].require_uppercase,
      aws_cognito_user_pool.peers[0].password_policy[0].require_numbers,
      aws_cognito_user_pool.peers[0].password_policy[0].require_symbols,
    ])
    error_message = "The pool takes weak passwords."
  }
  assert {
    condition     = aws_cognito_user_pool_client.server[0].user_pool_id == "eu-central-1_Created00"
    error_message = "The client is one of another pool."
  }
  assert {
    condition     = aws_cognito_user_pool_client.server[0].explicit_auth_flows == toset(["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])
    error_message = "The client allows other ways to sign in than the server's two."
  }
  assert {
    condition     = aws_cognito_user_pool_client.server[0].generate_secret == false && aws_cognito_user_pool_client.server[0].prevent_user_existence_errors == "ENABLED" && aws_cognito_user_pool_client.server[0].enable_token_revocation
    error_message = "The client has a secret, tells who exists, or does not take tokens back."
  }
  assert {
    condition     = module.rooms_table[0].name == "rooms-dev"
    error_message = "The table has another name."
  }
  assert {
    condition = alltrue([for line in [
      "COGNITO_REGION=eu-central-1", "COGNITO_USER_POOL_ID=eu-central-1_Created00",
      "COGNITO_APP_CLIENT_ID=createdclient0000000000000", "PARLEY_DYNAMODB_TABLE=rooms-dev", "PARLEY_DYNAMODB_REGION=eu-central-1",
    ] : contains(split("\n", local.user_data), line)])
    error_message = "The server is not told of the pool, the client and the table."
  }
  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.server.policy).Statement : statement.Sid => statement.Resource
      if contains(["Rooms", "Identities"], statement.Sid)
      } == {
      Rooms      = "arn:aws:dynamodb:eu-central-1:111122223333:table/created"
      Identities = "arn:aws:cognito-idp:eu-central-1:111122223333:userpool/eu-central-1_Created00"
    }
    error_message = "The role is not for the created table and pool: ${aws_iam_role_policy.server.policy}"
  }
  assert {
    condition     = output.cognito_user_pool_id == "eu-central-1_Created00" && output.cognito_app_client_id == "createdclient0000000000000" && output.dynamodb_table_arn == "arn:aws:dynamodb:eu-central-1:111122223333:table/created"
    error_message = "The outputs name others than were created."
  }
}

run "creates_a_client_and_a_table_for_a_given_pool_if_told_to" {
  variables {
    cognito_user_pool_id  = "eu-central-1_AbCdEfGhI"
    create_dynamodb_table = true
  }

  assert {
    condition     = length(aws_cognito_user_pool.peers) == 0 && aws_cognito_user_pool_client.server[0].user_pool_id == "eu-central-1_AbCdEfGhI" && length(module.rooms_table) == 1
    error_message = "Client and table of a given pool are not created."
  }
}

run "does_without_protection_only_if_told_to" {
  variables {
    deletion_protection = false
  }

  assert {
    condition     = aws_cognito_user_pool.peers[0].deletion_protection == "INACTIVE"
    error_message = "deletion_protection has no effect on the pool."
  }
}

run "uses_a_table_in_a_region_of_its_own" {
  variables {
    cognito_region        = "us-east-1"
    cognito_user_pool_id  = "us-east-1_AbCdEfGhI"
    cognito_app_client_id = "1h57kf5cpq17m0eml12EXAMPLE"
    dynamodb_region       = "eu-west-1"
    dynamodb_table_name   = "old-rooms"
  }

  assert {
    condition     = output.dynamodb_table_arn == "arn:aws:dynamodb:eu-west-1:111122223333:table/old-rooms"
    error_message = "The role is for another table: ${output.dynamodb_table_arn}"
  }
  assert {
    condition     = contains(split("\n", local.user_data), "PARLEY_DYNAMODB_REGION=eu-west-1")
    error_message = "The server looks for the table elsewhere."
  }
}

run "may_pull_from_a_private_ecr_repository_and_no_other" {
  variables {
    docker_image = "444455556666.dkr.ecr.eu-west-1.amazonaws.com/team/parley@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.server.policy).Statement : statement if !contains(["Rooms", "Identities", "Logs", "Metrics", "SessionManager"], statement.Sid)] == [
      { Sid = "RegistryLogin", Effect = "Allow", Action = "ecr:GetAuthorizationToken", Resource = "*" },
      {
        Sid      = "Images"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = ["arn:aws:ecr:eu-west-1:444455556666:repository/team/parley"]
      },
    ]
    error_message = "The instance cannot pull its image, or can pull others: ${aws_iam_role_policy.server.policy}"
  }
  assert {
    condition     = strcontains(local.user_data, "aws ecr get-login-password")
    error_message = "The instance does not log in to the registry."
  }
}

run "may_pull_the_other_images_from_there_too" {
  variables {
    domain_name  = "parley.example.com"
    enable_turn  = true
    caddy_image  = "444455556666.dkr.ecr.eu-west-1.amazonaws.com/mirror/caddy:2.11.4"
    coturn_image = "444455556666.dkr.ecr.us-east-1.amazonaws.com/mirror/coturn:4.6.1"
  }

  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.server.policy).Statement : statement.Resource if statement.Sid == "Images"] == [[
      "arn:aws:ecr:eu-west-1:444455556666:repository/mirror/caddy", "arn:aws:ecr:us-east-1:444455556666:repository/mirror/coturn",
    ]]
    error_message = "The instance cannot pull from a mirror, or can pull others: ${aws_iam_role_policy.server.policy}"
  }
}

run "asks_no_registry_that_limits_strangers" {
  variables {
    domain_name = "parley.example.com"
    enable_turn = true
  }

  assert {
    condition     = length([for file in local.files : file if strcontains(file.content, "docker.io")]) == 0 && !can(regex("(?m)^  caddy:|^  coturn/", local.setup_script))
    error_message = "An image comes from Docker Hub, which limits the pulls of an address."
  }
}

run "refuses_to_create_a_pool_in_another_region_than_the_providers" {
  command = plan
  variables {
    cognito_region = "us-east-1"
  }
  expect_failures = [aws_cognito_user_pool.peers]
}

run "refuses_to_create_a_client_in_another_region_than_the_providers" {
  command = plan
  variables {
    cognito_region       = "us-east-1"
    cognito_user_pool_id = "us-east-1_AbCdEfGhI"
  }
  expect_failures = [aws_cognito_user_pool_client.server]
}

run "refuses_a_client_without_its_pool" {
  command = plan
  variables {
    cognito_app_client_id = "1h57kf5cpq17m0eml12EXAMPLE"
  }
  expect_failures = [aws_cognito_user_pool.peers]
}

run "refuses_secrets_among_the_settings" {
  command = plan
  variables {
    server_settings = { PARLEY_TURN_SECRET = "secret" }
  }
  expect_failures = [var.server_settings]
}

run "refuses_passwords_among_the_settings" {
  command = plan
  variables {
    server_settings = { TURN_PASSWORD = "secret" }
  }
  expect_failures = [var.server_settings]
}

run "refuses_settings_of_two_lines" {
  command = plan
  variables {
    server_settings = { PARLEY_LOG_LEVEL = "info\nAWS_ENDPOINT_URL=http://evil.example" }
  }
  expect_failures = [var.server_settings]
}

run "refuses_another_identity_provider_than_the_role_is_for" {
  command = plan
  variables {
    server_settings = { PARLEY_IDENTITY = "local" }
  }
  expect_failures = [var.server_settings]
}

run "refuses_another_room_store_than_the_role_is_for" {
  command = plan
  variables {
    server_settings = { PARLEY_ROOM_STORE = "sqlite" }
  }
  expect_failures = [var.server_settings]
}

run "refuses_another_table_than_the_role_is_for" {
  command = plan
  variables {
    server_settings = { PARLEY_DYNAMODB_TABLE = "other" }
  }
  expect_failures = [var.server_settings]
}

run "refuses_an_openid_provider_beside_the_pool" {
  command = plan
  variables {
    server_settings = { PARLEY_OIDC_ISSUER = "https://id.example" }
  }
  expect_failures = [var.server_settings]
}

run "refuses_other_proxies_than_its_own" {
  command = plan
  variables {
    domain_name     = "parley.example.com"
    server_settings = { PARLEY_TRUSTED_PROXIES = "10.0.0.1" }
  }
  expect_failures = [var.server_settings]
}

run "believes_a_proxy_in_front_of_a_server_without_a_domain" {
  variables {
    server_settings = { PARLEY_TRUSTED_PROXIES = "10.0.0.1" }
  }

  assert {
    condition     = contains(split("\n", local.files["/etc/parley/parley.env"].content), "PARLEY_TRUSTED_PROXIES=10.0.0.1")
    error_message = "The proxy is not believed."
  }
}

run "tells_peers_of_a_turn_server_that_is_there_already" {
  variables {
    turn_password_parameter = "team/turn-password"
    server_settings         = { TURN_HOST = "turn.example", TURN_PORT = "3479", TURN_USERNAME = "peers" }
  }

  assert {
    condition     = alltrue([for line in ["TURN_HOST=turn.example", "TURN_PORT=3479", "TURN_USERNAME=peers"] : contains(split("\n", local.files["/etc/parley/parley.env"].content), line)])
    error_message = "The server is not told of the TURN server."
  }
  assert {
    condition = [for statement in jsondecode(aws_iam_role_policy.server.policy).Statement : statement if !contains(["Rooms", "Identities", "Logs", "Metrics", "SessionManager"], statement.Sid)] == [
      { Sid = "TurnSecret", Effect = "Allow", Action = "ssm:GetParameter", Resource = "arn:aws:ssm:eu-central-1:111122223333:parameter/team/turn-password" },
    ]
    error_message = "The instance cannot read the password, or can read others: ${aws_iam_role_policy.server.policy}"
  }
  assert {
    condition     = strcontains(local.files["/etc/systemd/system/parley.service"].content, "--env-file /run/parley/turn.env") && strcontains(local.files["/etc/systemd/system/parley.service"].content, "ExecStartPre=/usr/local/sbin/parley-turn-secret")
    error_message = "The server does not get the password."
  }
  assert {
    condition     = length(aws_ssm_parameter.turn_secret) == 0 && !contains(keys(local.files), "/etc/systemd/system/parley-coturn.service") && output.turn_url == null
    error_message = "A second TURN server is set up."
  }
}

run "refuses_a_host_of_a_turn_server_without_its_password" {
  command = plan
  variables {
    server_settings = { TURN_HOST = "turn.example" }
  }
  expect_failures = [var.turn_password_parameter]
}

run "refuses_a_user_of_a_turn_server_without_its_password" {
  command = plan
  variables {
    server_settings = { TURN_USERNAME = "peers" }
  }
  expect_failures = [var.turn_password_parameter]
}

run "refuses_urls_of_a_turn_server_without_its_password" {
  command = plan
  variables {
    server_settings = { PARLEY_TURN_URLS = "turn:turn.example" }
  }
  expect_failures = [var.turn_password_parameter]
}

run "refuses_to_tell_peers_of_another_turn_server_than_its_own" {
  command = plan
  variables {
    enable_turn     = true
    server_settings = { TURN_HOST = "turn.example" }
  }
  expect_failures = [var.server_settings]
}

run "refuses_two_turn_servers" {
  command = plan
  variables {
    enable_turn             = true
    turn_password_parameter = "/team/turn-password"
  }
  expect_failures = [var.turn_password_parameter]
}

run "refuses_a_password_of_nobody" {
  command = plan
  variables {
    turn_password_parameter = "/team/turn-password"
    server_settings         = { TURN_HOST = "turn.example" }
  }
  expect_failures = [var.turn_password_parameter]
}

run "refuses_a_password_in_place_of_the_name_of_its_parameter" {
  command = plan
  variables {
    turn_password_parameter = "correct horse; battery staple"
    server_settings         = { TURN_HOST = "turn.example", TURN_USERNAME = "peers" }
  }
  expect_failures = [var.turn_password_parameter]
}

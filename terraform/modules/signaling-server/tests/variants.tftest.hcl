# The user data in its variants. e2e/terraform.test.ts takes it from here, and runs it.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  docker_image = "registry.example/parley:1.0.0"
}

run "plain" {
  assert {
    condition     = local.user_data_bytes <= 16384 / 2
    error_message = "The plain user data has ${local.user_data_bytes} bytes."
  }
}

run "upgraded" {
  variables {
    docker_image = "registry.example/parley:1.0.1"
  }

  assert {
    condition     = aws_instance.server.id == run.plain.instance_id && strcontains(local.user_data, "parley:1.0.1")
    error_message = "An upgrade replaces the instance, or does not reach it."
  }
}

run "full" {
  variables {
    environment     = "production"
    docker_image    = "444455556666.dkr.ecr.eu-west-1.amazonaws.com/team/parley:1.0.0"
    domain_name     = "parley.example.com"
    enable_turn     = true
    server_settings = { PARLEY_ALLOWED_ORIGINS = "https://app.example.com" }
  }

  assert {
    condition     = local.user_data_bytes <= 16384 / 2
    error_message = "Everything at once leaves little room for settings: ${local.user_data_bytes} bytes."
  }
}

run "elsewhere" {
  variables {
    turn_password_parameter = "/team/turn-password"
    server_settings         = { TURN_HOST = "turn.example", TURN_USERNAME = "peers" }
  }

  assert {
    condition     = local.user_data_bytes <= 16384 / 2
    error_message = "The user data with a TURN server elsewhere has ${local.user_data_bytes} bytes."
  }
}

run "moved" {
  variables {
    elastic_ip_allocation_id = "eipalloc-known"
  }

  assert {
    condition     = local.user_data_bytes <= 16384 / 2
    error_message = "The user data with an address of before has ${local.user_data_bytes} bytes."
  }
}

run "everything" {
  variables {
    environment              = "production"
    docker_image             = "444455556666.dkr.ecr.eu-west-1.amazonaws.com/team/parley:1.0.0"
    elastic_ip_allocation_id = "eipalloc-known"
    domain_name              = "parley.example.com"
    acme_email               = "operator@example.com"
    turn_password            = "correct-horse-battery-staple"
  }

  assert {
    condition     = local.user_data_bytes <= 16384 / 2
    error_message = "Everything at once leaves little room for settings: ${local.user_data_bytes} bytes."
  }

  expect_failures = [check.turn_password_is_deprecated]
}

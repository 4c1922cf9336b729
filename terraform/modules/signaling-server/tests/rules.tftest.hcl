# What AWS would be asked for, in variants. e2e/terraform-rules.test.ts takes it from here, and looks for what AWS would
# refuse.

mock_provider "aws" {
  source = "./tests/mocks"
}

variables {
  docker_image = "registry.example/parley:1.0.0"
}

run "defaults" {}

# The longest names and all options.
run "longest" {
  variables {
    environment         = "production_of_department"
    docker_image        = "444455556666.dkr.ecr.ap-southeast-1.amazonaws.com/${join("/", [for part in range(12) : "a-long-name-of-a-team"])}@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
    domain_name         = "${join(".", [for label in range(3) : "signaling-server-of-the-department-of-long-names-and-of-titles"])}.example.com"
    route53_zone_id     = "Z01234567890ABCDEFGHIJKLMNOPQRST"
    acme_email          = "operators-of-the-signaling-server@example.com"
    enable_turn         = true
    turn_secret_version = 999999
    ssh_key_name        = "operators of the department"
    admin_cidr_blocks   = ["192.0.2.7/32", "192.0.2.8/32"]
    allowed_cidr_blocks = [for number in range(10) : "198.51.100.${16 * number}/28"]
    alarm_topic_arn     = "arn:aws:sns:ap-southeast-1:111122223333:${join("-", [for word in range(25) : "operators"])}"
    dynamodb_table_name = join("-", [for word in range(42) : "rooms"])
    root_volume_size    = 16384
    log_retention_days  = 3653
    tags = merge(
      { for number in range(46) : format("Tag %02d %s", number, join("", [for letter in range(119) : "k"])) => join("", [for letter in range(256) : "é"]) },
      { name = "blue" },
    )
  }
  override_data {
    target = data.aws_region.current
    values = { name = "ap-southeast-1" }
  }
}

# All that was there before.
run "given" {
  variables {
    cognito_region           = "us-east-1"
    cognito_user_pool_id     = "us-east-1_AbCdEfGhI"
    cognito_app_client_id    = "1h57kf5cpq17m0eml12EXAMPLE"
    subnet_id                = "subnet-0123456789abcdef0"
    elastic_ip_allocation_id = "eipalloc-0123456789abcdef0"
    turn_password_parameter  = "team/turn-password"
    server_settings          = { TURN_HOST = "turn.example", TURN_USERNAME = "peers" }
  }
}

# The second version of the original.
run "shared_user" {
  variables {
    environment   = "production"
    vpc_id        = "vpc-0123456789abcdef0"
    enable_turn   = true
    turn_username = "sleap"
    turn_password = "correct-horse-battery-staple"
    turn_port     = 3479
  }

  expect_failures = [check.turn_password_is_deprecated]
}

# As the server uses it: it signs up a user of a random name and password, confirms it, and signs it in.
resource "aws_cognito_user_pool" "peers" {
  count = local.create_pool ? 1 : 0

  name                = local.name
  deletion_protection = var.deletion_protection ? "ACTIVE" : "INACTIVE"
  # All that is needed, and each anonymous sign-in is an active user who is paid for.
  user_pool_tier    = "LITE"
  mfa_configuration = "OFF"
  tags              = local.tags

  # The server signs up without credentials, as the original did. Whoever else does so with the client's id gets a user
  # whom nobody confirms, and who cannot sign in.
  admin_create_user_config {
    allow_admin_create_user_only = false
  }

  username_configuration {
    case_sensitive = true
  }

  password_policy {
    minimum_length                   = 20
    require_lowercase                = true
    require_uppercase                = true
    require_numbers                  = true
    require_symbols                  = true
    temporary_password_validity_days = 1
  }

  # There is no address to recover an account with; only whoever runs the pool can.
  account_recovery_setting {
    recovery_mechanism {
      name     = "admin_only"
      priority = 1
    }
  }

  lifecycle {
    precondition {
      condition     = local.cognito_region == local.region
      error_message = "A user pool is created in the provider's region (${local.region}); cognito_region says ${local.cognito_region}."
    }
    precondition {
      condition     = local.create_client
      error_message = "cognito_app_client_id is a client of a pool: give cognito_user_pool_id too, or neither."
    }
  }
}

resource "aws_cognito_user_pool_client" "server" {
  count = local.create_client ? 1 : 0

  name         = local.name
  user_pool_id = local.user_pool_id

  generate_secret               = false
  explicit_auth_flows           = ["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"]
  prevent_user_existence_errors = "ENABLED"
  enable_token_revocation       = true

  # As the server's embedded identity provider has it; and so many are Cognito's defaults.
  id_token_validity      = 60
  access_token_validity  = 60
  refresh_token_validity = 30
  token_validity_units {
    id_token      = "minutes"
    access_token  = "minutes"
    refresh_token = "days"
  }

  lifecycle {
    precondition {
      condition     = local.cognito_region == local.region
      error_message = "An app client is created in the provider's region (${local.region}); cognito_region says ${local.cognito_region}."
    }
  }
}

locals {
  user_pool_id  = local.create_pool ? aws_cognito_user_pool.peers[0].id : local.given_pool_id
  client_id     = local.create_client ? aws_cognito_user_pool_client.server[0].id : local.given_client_id
  user_pool_arn = "${local.arn}:cognito-idp:${local.cognito_region}:${data.aws_caller_identity.current.account_id}:userpool/${local.user_pool_id}"
}

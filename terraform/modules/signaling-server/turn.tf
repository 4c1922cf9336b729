locals {
  has_turn_password = nonsensitive(var.turn_password != null && var.turn_password != "")
  has_turn          = coalesce(var.enable_turn, local.has_turn_password)
  # One user name and password for every peer, as the original had it, and not credentials of their own.
  has_shared_user = local.has_turn && local.has_turn_password

  # What the instance fetches: the secret of its own TURN server, or the password of another one.
  turn_parameter = local.has_turn ? aws_ssm_parameter.turn_secret[0].name : local.given_parameter
}

# The secret between Parley, which makes credentials, and coturn, which checks them; or the password of the shared user.
resource "aws_ssm_parameter" "turn_secret" {
  count = local.has_turn ? 1 : 0

  name        = "/${local.name}/${local.has_shared_user ? "turn-password" : "turn-secret"}"
  description = "Secret between Parley and coturn (${var.environment})"
  type        = "SecureString"
  tags        = local.tags

  # Write-only: in neither the state nor what a plan prints. Without a password, 244 random bits that are made while they
  # are sent. A new number sends it again.
  value_wo         = local.has_shared_user ? var.turn_password : "${uuid()}${uuid()}"
  value_wo_version = var.turn_secret_version

  lifecycle {
    # The provider sends an empty value along with any change of these.
    ignore_changes = [description, allowed_pattern, tier, data_type, key_id]
  }
}

# Warnings of terraform plan and apply.
check "turn_password_is_deprecated" {
  assert {
    condition     = !local.has_turn_password
    error_message = local.has_turn ? "turn_password is deprecated: every peer gets this user name and password, and may use the TURN server with it until you change it. Set enable_turn = true without turn_password: each peer then gets credentials of its own that end. Clients need no change, as the server tells them." : "turn_password has no effect, as enable_turn is false. For a TURN server elsewhere, put its password into an SSM SecureString and name that as turn_password_parameter."
  }
}

check "turn_username_has_a_password" {
  assert {
    condition     = var.turn_username == "sleap" || local.has_turn_password
    error_message = "turn_username has no effect without turn_password: with enable_turn, each peer gets a user name and a password of its own."
  }
}

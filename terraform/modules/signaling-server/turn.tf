locals {
  # What the instance fetches: the secret of its own TURN server, or the password of another one.
  turn_parameter = var.enable_turn ? aws_ssm_parameter.turn_secret[0].name : local.turn_password
}

# The secret between Parley, which makes credentials, and coturn, which checks them.
resource "aws_ssm_parameter" "turn_secret" {
  count = var.enable_turn ? 1 : 0

  name        = "/${local.name}/turn-secret"
  description = "Secret between Parley and coturn (${var.environment})"
  type        = "SecureString"
  tags        = local.tags

  # Write-only: 244 random bits that are made while they are sent, and are in neither the plan nor the state. A new
  # number makes new ones.
  value_wo         = "${uuid()}${uuid()}"
  value_wo_version = var.turn_secret_version

  lifecycle {
    # The provider sends an empty value along with any change of these.
    ignore_changes = [description, allowed_pattern, tier, data_type, key_id]
  }
}

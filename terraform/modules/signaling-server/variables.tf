# The variables of the original module, of both its versions, with the same meanings.

variable "environment" {
  description = "Name of this deployment, such as `dev` or `production`; part of the names of what is created."
  type        = string
  default     = "dev"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z][a-zA-Z0-9_-]{0,23}$", var.environment))
    error_message = "environment must be up to 24 letters, digits, hyphens and underscores, and begin with a letter."
  }
}

variable "instance_type" {
  description = "EC2 instance type, of x86_64 or arm64; the images must exist for it. A change stops and starts the instance, or replaces it: see \"Upgrades\"."
  type        = string
  default     = "t3.micro"
  nullable    = false
}

variable "docker_image" {
  description = "Parley's container image. Name a version or a digest: an image is pulled once, and not again when it changes under the same name. One in a private ECR repository is pulled with the instance's role."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9._/:@-]*$", var.docker_image))
    error_message = "docker_image must be the name of a container image, such as registry.example/parley:1.0.0."
  }
}

variable "cognito_region" {
  description = "Region of the Cognito user pool. Without it: the region of the provider."
  type        = string
  default     = null
}

variable "cognito_user_pool_id" {
  description = "An existing Cognito user pool. Without it: one is created."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[a-z0-9-]+_[a-zA-Z0-9]+$", coalesce(var.cognito_user_pool_id, "none_1")))
    error_message = "cognito_user_pool_id must be like eu-central-1_AbCdEfGhI."
  }
}

variable "cognito_app_client_id" {
  description = "An existing app client of that pool, without a secret and with USER_PASSWORD_AUTH. Without it: one is created in the pool."
  type        = string
  default     = null
}

variable "vpc_id" {
  description = "VPC of the instance. Without it: the default VPC of the region."
  type        = string
  default     = null
}

variable "allowed_cidr_blocks" {
  description = "IPv4 networks whose peers may use the server (and the TURN server)."
  type        = list(string)
  default     = ["0.0.0.0/0"]
  nullable    = false

  validation {
    condition     = length(var.allowed_cidr_blocks) > 0 && alltrue([for block in var.allowed_cidr_blocks : can(cidrnetmask(block))])
    error_message = "allowed_cidr_blocks must be IPv4 networks, such as 203.0.113.0/24, and at least one."
  }
}

variable "admin_cidr_blocks" {
  description = "IPv4 networks from which SSH is allowed, if `ssh_key_name` is given too. Session Manager needs neither."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for block in var.admin_cidr_blocks : can(cidrnetmask(block))])
    error_message = "admin_cidr_blocks must be IPv4 networks, such as 203.0.113.7/32."
  }
}

variable "websocket_port" {
  description = "Port of the WebSocket server on the instance. With `domain_name`, peers use 443 instead."
  type        = number
  default     = 8080
  nullable    = false

  validation {
    condition     = var.websocket_port >= 1 && var.websocket_port <= 65535 && floor(var.websocket_port) == var.websocket_port
    error_message = "websocket_port must be a whole number from 1 to 65535."
  }
}

variable "http_port" {
  description = "Port of the HTTP API on the instance. With `domain_name`, peers use 443 instead."
  type        = number
  default     = 8001
  nullable    = false

  validation {
    condition     = var.http_port >= 1 && var.http_port <= 65535 && floor(var.http_port) == var.http_port && var.http_port != var.websocket_port
    error_message = "http_port must be a whole number from 1 to 65535, and not websocket_port."
  }
}

# Those that the second version of the original added.

variable "enable_turn" {
  description = "Whether to run coturn beside the server, on `turn_port` and `turn_relay_ports`, for peers that cannot reach each other directly. Without it: if `turn_password` is given."
  type        = bool
  default     = null
}

variable "turn_port" {
  description = "Port of coturn, UDP and TCP."
  type        = number
  default     = 3478
  nullable    = false

  validation {
    condition     = var.turn_port >= 1 && var.turn_port <= 65535 && floor(var.turn_port) == var.turn_port && (var.turn_port < var.turn_relay_ports.from || var.turn_port > var.turn_relay_ports.to)
    error_message = "turn_port must be a whole number from 1 to 65535, and none of turn_relay_ports."
  }
}

variable "turn_username" {
  description = "Deprecated. User name that belongs to `turn_password`."
  type        = string
  default     = "sleap"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9._-]+$", var.turn_username))
    error_message = "turn_username must be letters, digits, dots, underscores and hyphens."
  }
}

variable "turn_password" {
  description = "Deprecated: leave it out and set `enable_turn`. The one password of all peers for coturn, as the original had it: see \"TURN\". After a change of it, raise `turn_secret_version`."
  type        = string
  default     = null
  sensitive   = true

  validation {
    # As it stands in coturn's configuration, where 0x begins a key and " a quotation; Parameter Store refuses {{.
    condition     = var.turn_password == null || var.turn_password == "" || (can(regex("^[!#-~]{1,128}$", var.turn_password)) && !startswith(coalesce(var.turn_password, "none"), "0x") && !strcontains(coalesce(var.turn_password, "none"), "{{"))
    error_message = "turn_password must be up to 128 ASCII characters without spaces and double quotes, without {{, and must not begin with 0x."
  }
}

# What the original did not have. Each has a default with which the variables of the original go on meaning what they meant.

variable "create_cognito_user_pool" {
  description = "Whether to create the user pool. Without it: if `cognito_user_pool_id` is not given."
  type        = bool
  default     = null
}

variable "create_cognito_app_client" {
  description = "Whether to create the app client. Without it: if `cognito_app_client_id` is not given."
  type        = bool
  default     = null
}

variable "create_dynamodb_table" {
  description = "Whether to create the table of rooms. Without it: if the user pool is created; who has a pool has the original's table too."
  type        = bool
  default     = null
}

variable "dynamodb_table_name" {
  description = "Name of the table of rooms. Two deployments in one region need two names."
  type        = string
  default     = "rooms"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_.-]{3,255}$", var.dynamodb_table_name))
    error_message = "dynamodb_table_name must be 3 to 255 letters, digits, underscores, dots and hyphens."
  }
}

variable "dynamodb_region" {
  description = "Region of an existing table. Without it: `cognito_region`."
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Whether AWS refuses to delete the table and the user pool that are created here."
  type        = bool
  default     = true
  nullable    = false
}

variable "server_settings" {
  description = "Further settings of the server, by the names in docs/configuration.md. No secrets: they would stand in Terraform's state."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([for name, value in var.server_settings :
      can(regex("^(PARLEY_[A-Z_]+|TURN_(HOST|PORT|USERNAME))$", name))
      && !contains(["PARLEY_TURN_SECRET", "PARLEY_HTTP_PORT", "PARLEY_WS_PORT", "PARLEY_DATA_DIR", "PARLEY_HOST"], name)
      && !strcontains(value, "\n")
    ])
    error_message = "server_settings must be PARLEY_ or TURN_ settings of one line; ports, host and folder are set by the module, and PARLEY_TURN_SECRET and TURN_PASSWORD are secrets."
  }
}

variable "subnet_id" {
  description = "Public subnet of the instance. Without it: one of the VPC that gives out public addresses and offers the instance type."
  type        = string
  default     = null
}

variable "elastic_ip_allocation_id" {
  description = "Allocation of an existing Elastic IP (`eipalloc-…`), so that peers keep the address they know. Without it: one is created."
  type        = string
  default     = null
}

variable "ssh_key_name" {
  description = "EC2 key pair for SSH. Without it: no SSH, whatever `admin_cidr_blocks` says."
  type        = string
  default     = null
}

variable "root_volume_size" {
  description = "Size of the encrypted disk in GiB."
  type        = number
  default     = 16
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that CloudWatch keeps the logs."
  type        = number
  default     = 30
  nullable    = false
}

variable "alarm_topic_arn" {
  description = "SNS topic that is told of alarms. Without it: they are shown in CloudWatch only."
  type        = string
  default     = null
}

variable "domain_name" {
  description = "Name under which the server is reached with TLS, on ports 443 and 80. Without it: no TLS, as the original."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^([a-z0-9]([a-z0-9-]*[a-z0-9])?\\.)+[a-z]{2,}$", coalesce(var.domain_name, "parley.example")))
    error_message = "domain_name must be a host name in lower case, such as parley.example.com."
  }

  validation {
    condition     = var.domain_name == null || length(setintersection([80, 443], [var.websocket_port, var.http_port])) == 0
    error_message = "With domain_name, ports 80 and 443 are those of TLS: websocket_port and http_port must be others."
  }
}

variable "route53_zone_id" {
  description = "Route 53 zone in which `domain_name` is to be set. Without it: you point the name at `elastic_ip` yourself."
  type        = string
  default     = null

  validation {
    condition     = var.route53_zone_id == null || var.domain_name != null
    error_message = "route53_zone_id needs domain_name."
  }
}

variable "acme_email" {
  description = "Address that the certificate authority writes to if something is wrong with the certificate."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[^@\\s{}]+@[^@\\s{}]+$", coalesce(var.acme_email, "a@b")))
    error_message = "acme_email must be an e-mail address."
  }
}

variable "caddy_image" {
  description = "Image of Caddy, which ends TLS."
  type        = string
  default     = "docker.io/library/caddy:2.10.2"
  nullable    = false
}

variable "enable_turn" {
  description = "Whether to run coturn beside the server, on ports 3478 and `turn_relay_ports`, for peers that cannot reach each other directly."
  type        = bool
  default     = false
  nullable    = false
}

variable "turn_secret_version" {
  description = "Raise it to replace the secret between Parley and coturn."
  type        = number
  default     = 1
  nullable    = false
}

variable "turn_relay_ports" {
  description = "UDP ports on which coturn relays, one for each relayed peer."
  type        = object({ from = number, to = number })
  default     = { from = 49152, to = 49651 }
  nullable    = false

  validation {
    condition     = var.turn_relay_ports.from >= 1024 && var.turn_relay_ports.from <= var.turn_relay_ports.to && var.turn_relay_ports.to <= 65535
    error_message = "turn_relay_ports must be a range within 1024 to 65535."
  }
}

variable "coturn_image" {
  description = "Image of coturn."
  type        = string
  default     = "docker.io/coturn/coturn:4.7.0"
  nullable    = false
}

variable "tags" {
  description = "Tags of everything that is created."
  type        = map(string)
  default     = {}
  nullable    = false
}

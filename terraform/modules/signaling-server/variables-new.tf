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
    # cloud-init spoils what is not ASCII.
    condition     = alltrue([for name, value in var.server_settings : can(regex("^(PARLEY_[A-Z_]+|TURN_(HOST|PORT|USERNAME))$", name)) && can(regex("^[ -~]*$", value))])
    error_message = "server_settings must be PARLEY_ settings, TURN_HOST, TURN_PORT and TURN_USERNAME, each of one line of ASCII. The password of a TURN server is named by turn_password_parameter."
  }

  validation {
    condition = alltrue([for name in keys(var.server_settings) :
      !can(regex("^PARLEY_(HOST|HTTP_PORT|WS_PORT|DATA_DIR|IDENTITY|ROOM_STORE|TURN_SECRET|DYNAMODB_.*|OIDC_.*)$", name))
    ])
    error_message = "server_settings must not have what the module sets by its own variables: host, ports, folder, identities, rooms (PARLEY_IDENTITY, PARLEY_ROOM_STORE, PARLEY_DYNAMODB_, PARLEY_OIDC_) and PARLEY_TURN_SECRET."
  }

  validation {
    condition     = !contains(keys(var.server_settings), "PARLEY_TRUSTED_PROXIES") || var.domain_name == null || var.domain_name == ""
    error_message = "With domain_name, the server believes Caddy who asks: PARLEY_TRUSTED_PROXIES cannot be among the server_settings."
  }

  validation {
    condition     = !local.has_turn || length(setintersection(keys(var.server_settings), ["TURN_HOST", "TURN_PORT", "TURN_USERNAME", "PARLEY_TURN_URLS"])) == 0
    error_message = "With enable_turn, peers are told of the coturn on the instance: TURN_HOST, TURN_PORT, TURN_USERNAME and PARLEY_TURN_URLS cannot be among the server_settings, as the secret is not that of another TURN server."
  }
}

variable "turn_password_parameter" {
  description = "Name of an existing SSM SecureString, encrypted with `aws/ssm` in the provider's region, with the password of a TURN server that is there already; `server_settings` has its `TURN_HOST` and `TURN_USERNAME`. Not with `enable_turn`."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^/?[a-zA-Z0-9_.-]+(/[a-zA-Z0-9_.-]+)*$", coalesce(var.turn_password_parameter, "none")))
    error_message = "turn_password_parameter must be the name of an SSM parameter, such as /parley/turn-password."
  }

  validation {
    condition     = var.turn_password_parameter == null || var.turn_password_parameter == "" || !local.has_turn
    error_message = "turn_password_parameter is for a TURN server elsewhere: with enable_turn or turn_password, coturn runs on the instance and has its own secret."
  }

  validation {
    condition = var.turn_password_parameter == null || var.turn_password_parameter == "" || local.has_turn || (
      contains(keys(var.server_settings), "TURN_USERNAME") && length(setintersection(keys(var.server_settings), ["TURN_HOST", "PARLEY_TURN_URLS"])) > 0
    )
    error_message = "turn_password_parameter needs TURN_USERNAME, and TURN_HOST or PARLEY_TURN_URLS, in server_settings."
  }

  validation {
    condition     = local.has_turn || (var.turn_password_parameter != null && var.turn_password_parameter != "") || length(setintersection(keys(var.server_settings), ["TURN_HOST", "TURN_PORT", "TURN_USERNAME", "PARLEY_TURN_URLS"])) == 0
    error_message = "TURN_HOST, TURN_PORT, TURN_USERNAME and PARLEY_TURN_URLS need a password: name the SSM parameter that has it, turn_password_parameter."
  }
}

variable "subnet_id" {
  description = "Public subnet of the instance. Without it: one of the VPC that gives out public addresses and offers the instance type."
  type        = string
  default     = null
}

variable "container_network" {
  description = "IPv4 network of the containers, inside the instance. It must be none that the instance or its peers are in."
  type        = string
  default     = "192.168.217.0/24"
  nullable    = false

  validation {
    condition     = can(cidrnetmask(var.container_network)) && try(cidrsubnet(var.container_network, 0, 0) == var.container_network && split("/", var.container_network)[1] <= 28, false)
    error_message = "container_network must be an IPv4 network of at least 16 addresses, such as 192.168.217.0/24."
  }
}

variable "elastic_ip_allocation_id" {
  description = "Allocation of an existing Elastic IP (`eipalloc-…`), so that peers keep the address they know. Without it: one is created."
  type        = string
  default     = null
}

variable "ssh_key_name" {
  description = "EC2 key pair for SSH. Without it: no SSH, whatever `admin_cidr_blocks` says. A change replaces the instance."
  type        = string
  default     = null
}

variable "root_volume_size" {
  description = "Size of the encrypted disk in GiB."
  type        = number
  default     = 16
  nullable    = false

  validation {
    # Amazon Linux 2023 wants 8 GiB.
    condition     = var.root_volume_size >= 8 && var.root_volume_size <= 16384 && floor(var.root_volume_size) == var.root_volume_size
    error_message = "root_volume_size must be a whole number from 8 to 16384."
  }
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
    condition     = can(regex("^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\\.)+[a-z]{2,63}$", coalesce(var.domain_name, "parley.example"))) && length(coalesce(var.domain_name, "none")) <= 253
    error_message = "domain_name must be a host name in lower case, such as parley.example.com."
  }

  validation {
    condition     = var.domain_name == null || var.domain_name == "" || length(setintersection([80, 443], [var.websocket_port, var.http_port])) == 0
    error_message = "With domain_name, ports 80 and 443 are those of TLS: websocket_port and http_port must be others."
  }
}

variable "route53_zone_id" {
  description = "Route 53 zone in which `domain_name` is to be set. Without it: you point the name at `elastic_ip` yourself."
  type        = string
  default     = null

  validation {
    condition     = var.route53_zone_id == null || var.route53_zone_id == "" || (var.domain_name != null && var.domain_name != "")
    error_message = "route53_zone_id needs domain_name."
  }
}

variable "acme_email" {
  description = "Address that the certificate authority writes to if something is wrong with the certificate."
  type        = string
  default     = null

  validation {
    condition     = can(regex("^[!-?A-z|~]+@[!-?A-z|~]+$", coalesce(var.acme_email, "a@b")))
    error_message = "acme_email must be an e-mail address."
  }
}

variable "caddy_image" {
  description = "Image of Caddy, which ends TLS."
  type        = string
  default     = "public.ecr.aws/docker/library/caddy:2.11.4"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9._/:@-]*$", var.caddy_image))
    error_message = "caddy_image must be the name of a container image, such as public.ecr.aws/docker/library/caddy:2.11.4."
  }
}

variable "turn_secret_version" {
  description = "Raise it to replace the secret between Parley and coturn, or after a change of `turn_password`."
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
  description = "Image of coturn. This version is the one that is tested: see \"TURN\" before you raise it."
  type        = string
  default     = "ghcr.io/coturn/coturn:4.6.1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9][a-zA-Z0-9._/:@-]*$", var.coturn_image))
    error_message = "coturn_image must be the name of a container image, such as ghcr.io/coturn/coturn:4.6.1."
  }
}

variable "tags" {
  description = "Tags of everything that is created."
  type        = map(string)
  default     = {}
  nullable    = false

  # The strictest of the services decides, as each gets all tags: IAM does not tell keys apart by case, and Systems Manager
  # takes no empty value. The module adds up to three tags, and AWS takes 50.
  validation {
    condition = alltrue([for key, value in var.tags :
      can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,127}$", key)) && can(regex("^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]{1,256}$", value)) && !startswith(lower(key), "aws:")
    ])
    error_message = "tags must have keys of 1 to 127 and values of 1 to 256 letters, digits, spaces and _.:/=+-@, and no key may begin with aws:."
  }

  validation {
    condition     = length(distinct([for key in keys(var.tags) : lower(key)])) == length(var.tags) && length(var.tags) <= 47
    error_message = "tags must be 47 at most, and no two keys may differ in nothing but case."
  }
}

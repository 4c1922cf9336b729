# What is on the instance: its files, and the script that puts them there. No secret is among them, as whoever may
# describe the instance may read its user data.
locals {
  # The containers' own network. Caddy's address in it is fixed, as it is the one whose X-Forwarded-For is believed.
  container_range = cidrsubnet(var.container_network, 1, 1)
  caddy_address   = cidrhost(var.container_network, 2)

  turn_urls = [for transport in ["udp", "tcp"] : "turn:${local.elastic_ip.public_ip}:${var.turn_port}?transport=${transport}"]

  settings = merge(
    {
      COGNITO_REGION         = local.cognito_region
      COGNITO_USER_POOL_ID   = local.user_pool_id
      COGNITO_APP_CLIENT_ID  = local.client_id
      PARLEY_DYNAMODB_TABLE  = var.dynamodb_table_name
      PARLEY_DYNAMODB_REGION = local.dynamodb_region
    },
    local.has_domain ? { PARLEY_TRUSTED_PROXIES = local.caddy_address } : {},
    local.has_turn ? { PARLEY_STUN_URLS = "stun:${local.elastic_ip.public_ip}:${var.turn_port}" } : {},
    local.has_turn && !local.has_shared_user ? { PARLEY_TURN_URLS = join(",", local.turn_urls) } : {},
    local.has_shared_user ? {
      TURN_HOST     = local.elastic_ip.public_ip
      TURN_PORT     = tostring(var.turn_port)
      TURN_USERNAME = var.turn_username
    } : {},
    var.server_settings,
  )

  # Ports of the server on the instance: for peers, or, behind Caddy, for the instance alone.
  published = [for published in ["${var.websocket_port}:8080", "${var.http_port}:8001"] : local.has_domain ? "127.0.0.1:${published}" : published]

  template = {
    environment        = var.environment
    region             = local.region
    log_group          = aws_cloudwatch_log_group.server.name
    metric_namespace   = local.metric_namespace
    docker_image       = var.docker_image
    has_private_images = length(local.in_ecr) > 0
    published          = local.published
    http_port          = var.http_port
    domain             = local.has_domain ? local.domain_name : ""
    acme_email         = coalesce(local.acme_email, "none")
    caddy_image        = var.caddy_image
    caddy_address      = local.caddy_address
    has_turn           = local.has_turn
    coturn_image       = var.coturn_image
    has_shared_user    = local.has_shared_user
    turn_username      = var.turn_username
    turn_port          = var.turn_port
    turn_setting       = local.has_turn && !local.has_shared_user ? "PARLEY_TURN_SECRET" : "TURN_PASSWORD"
    turn_parameter     = local.turn_parameter == null ? "" : local.turn_parameter
    turn_version       = var.turn_secret_version
    given_eip_id       = local.given_eip_id == null ? "" : local.given_eip_id
    public_ip          = local.elastic_ip.public_ip
    min_port           = var.turn_relay_ports.from
    max_port           = var.turn_relay_ports.to
    turn_realm         = local.has_domain ? local.domain_name : local.elastic_ip.public_ip
    denied_peers       = local.denied_peers
    container_services = local.container_services
    containers         = [for service in local.container_services : trimsuffix(service, ".service")]
    hardened_container = "--read-only --tmpfs /tmp:rw,noexec,nosuid,nodev,size=16m --cap-drop ALL --security-opt no-new-privileges --pids-limit 256"
  }

  # Addresses that coturn relays nothing to: this network, the instance, its metadata service, and what is nobody's (RFC
  # 6890). Not "::", with which coturn would relay nothing at all. "::ffff:" are the IPv4 addresses in the form of IPv6, which
  # coturn does not find among the others before 4.9 (CVE-2026-27624).
  denied_peers = [
    "0.0.0.0-0.255.255.255", "10.0.0.0-10.255.255.255", "100.64.0.0-100.127.255.255", "127.0.0.0-127.255.255.255",
    "169.254.0.0-169.254.255.255", "172.16.0.0-172.31.255.255", "192.0.0.0-192.0.0.255", "192.168.0.0-192.168.255.255",
    "198.18.0.0-198.19.255.255", "224.0.0.0-255.255.255.255",
    "::1", "::ffff:0:0-::ffff:ffff:ffff", "64:ff9b::-64:ff9b::ffff:ffff",
    "fc00::-fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "fe80::-febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
  ]

  scripts = "/usr/local/sbin"
  units   = "/etc/systemd/system"

  files = merge(
    {
      "/etc/parley/parley.env"                = { mode = "0600", content = join("\n", [for name, value in local.settings : "${name}=${value}"]) }
      "${local.scripts}/parley-pull"          = { mode = "0755", content = templatefile("${path.module}/templates/parley-pull.tftpl", local.template) }
      "${local.scripts}/parley-remove"        = { mode = "0755", content = file("${path.module}/templates/parley-remove") }
      "${local.scripts}/parley-report"        = { mode = "0755", content = templatefile("${path.module}/templates/parley-report.tftpl", local.template) }
      "${local.units}/parley.service"         = { mode = "0644", content = templatefile("${path.module}/templates/parley.service.tftpl", local.template) }
      "${local.units}/parley-report.service"  = { mode = "0644", content = file("${path.module}/templates/parley-report.service") }
      "${local.units}/parley-report.timer"    = { mode = "0644", content = file("${path.module}/templates/parley-report.timer") }
      "${local.units}/parley-cleanup.service" = { mode = "0644", content = templatefile("${path.module}/templates/parley-cleanup.service.tftpl", local.template) }
      "${local.units}/parley-cleanup.timer"   = { mode = "0644", content = file("${path.module}/templates/parley-cleanup.timer") }
      "${local.units}/parley-update.service"  = { mode = "0644", content = file("${path.module}/templates/parley-update.service") }
      "${local.units}/parley-update.timer"    = { mode = "0644", content = file("${path.module}/templates/parley-update.timer") }
    },
    local.has_domain ? {
      "/etc/parley/Caddyfile"               = { mode = "0644", content = templatefile("${path.module}/templates/Caddyfile.tftpl", local.template) }
      "${local.units}/parley-caddy.service" = { mode = "0644", content = templatefile("${path.module}/templates/parley-caddy.service.tftpl", local.template) }
    } : {},
    local.turn_parameter != null ? {
      "${local.scripts}/parley-turn-secret" = { mode = "0755", content = templatefile("${path.module}/templates/parley-turn-secret.tftpl", local.template) }
    } : {},
    local.has_turn ? {
      "/etc/parley/turnserver.conf"          = { mode = "0644", content = templatefile("${path.module}/templates/turnserver.conf.tftpl", local.template) }
      "${local.units}/parley-coturn.service" = { mode = "0644", content = templatefile("${path.module}/templates/parley-coturn.service.tftpl", local.template) }
    } : {},
  )

  # The timers first, so that a server that does not start is reported.
  services           = concat(["parley-report.timer", "parley-cleanup.timer", "parley-update.timer"], local.container_services)
  container_services = concat(["parley.service"], local.optional_services)
  optional_services  = concat(local.has_domain ? ["parley-caddy.service"] : [], local.has_turn ? ["parley-coturn.service"] : [])

  setup_script = templatefile("${path.module}/templates/set-up.sh.tftpl", {
    files             = { for path, file in local.files : path => merge(file, { content = trimspace(file.content) }) }
    services          = local.services
    has_secret        = local.turn_parameter != null
    unwanted          = setsubtract(["parley-caddy.service", "parley-coturn.service"], local.optional_services)
    container_network = var.container_network
    container_range   = local.container_range
    fingerprint       = sha256(jsonencode(local.files))
  })

  # cloud-init runs a script once in the life of an instance unless it is told to at every start.
  user_data = templatefile("${path.module}/templates/user-data.mime.tftpl", { script = local.setup_script })

  # cloud-init unpacks it. EC2 counts the bytes before they are written as base64, and length() counts characters.
  user_data_base64 = base64gzip(local.user_data)
  user_data_bytes  = length(local.user_data_base64) / 4 * 3 - (length(local.user_data_base64) - length(trim(local.user_data_base64, "=")))
}

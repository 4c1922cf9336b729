# Not data "aws_vpc" with "default = true": that fails without saying what to do where there is none.
data "aws_vpcs" "default" {
  count = local.given_vpc_id == null && local.given_subnet_id == null ? 1 : 0

  filter {
    name   = "is-default"
    values = ["true"]
  }
}

data "aws_subnet" "given" {
  count = local.given_subnet_id == null ? 0 : 1
  id    = local.given_subnet_id

  lifecycle {
    postcondition {
      condition     = local.given_vpc_id == null || self.vpc_id == local.given_vpc_id
      error_message = "subnet_id names a subnet of ${self.vpc_id}, and vpc_id says ${coalesce(local.given_vpc_id, "nothing")}: EC2 wants the instance and its security group in one VPC."
    }
  }
}

data "aws_vpc" "this" {
  id = local.vpc_id

  lifecycle {
    precondition {
      condition     = local.vpc_id != null
      error_message = "There is no default VPC in ${local.region}. Give vpc_id (a VPC with a public subnet) or subnet_id (a public subnet), or make a default VPC: aws ec2 create-default-vpc --region ${local.region}"
    }
  }
}

locals {
  vpc_id       = local.given_subnet_id != null ? data.aws_subnet.given[0].vpc_id : local.given_vpc_id != null ? local.given_vpc_id : one(data.aws_vpcs.default[0].ids)
  vpc_networks = distinct(concat([data.aws_vpc.this.cidr_block], data.aws_vpc.this.cidr_block_associations[*].cidr_block))

  # Two networks overlap if they are the same as far as the shorter of their prefixes goes.
  colliding_networks = [for network in local.vpc_networks : network if length(distinct([
    for address in [network, var.container_network] :
    cidrhost("${split("/", address)[0]}/${min(split("/", network)[1], split("/", var.container_network)[1])}", 0)
  ])) == 1]
}

# Not every availability zone has every instance type.
data "aws_ec2_instance_type_offerings" "zones" {
  count         = local.given_subnet_id == null ? 1 : 0
  location_type = "availability-zone"

  filter {
    name   = "instance-type"
    values = [var.instance_type]
  }
}

data "aws_subnets" "public" {
  count = local.given_subnet_id == null ? 1 : 0

  filter {
    name   = "vpc-id"
    values = [data.aws_vpc.this.id]
  }
  filter {
    name   = "map-public-ip-on-launch"
    values = ["true"]
  }
  filter {
    name   = "availability-zone"
    values = data.aws_ec2_instance_type_offerings.zones[0].locations
  }
}

data "aws_eip" "existing" {
  count = local.given_eip_id == null ? 0 : 1
  id    = local.given_eip_id
}

resource "aws_eip" "server" {
  count  = local.given_eip_id == null ? 1 : 0
  domain = "vpc"
  tags   = merge(local.tags, { Name = local.name })
}

# An address that was given may be in use by another server: the instance takes it when it answers (parley-report).
resource "aws_eip_association" "server" {
  count         = local.given_eip_id == null ? 1 : 0
  allocation_id = local.elastic_ip.id
  instance_id   = aws_instance.server.id
}

resource "aws_route53_record" "server" {
  count   = local.route53_zone_id == null ? 0 : 1
  zone_id = local.route53_zone_id
  name    = local.domain_name
  type    = "A"
  ttl     = 300
  records = [local.elastic_ip.public_ip]
}

resource "aws_security_group" "server" {
  name_prefix = "${local.name}-"
  description = "Signaling server of Parley (${var.environment})"
  vpc_id      = data.aws_vpc.this.id
  tags        = merge(local.tags, { Name = local.name })

  lifecycle {
    create_before_destroy = true

    precondition {
      condition     = length(distinct(local.openings)) == length(local.openings)
      error_message = "Two rules of the security group would be the same, which EC2 refuses: ${join("; ", distinct([for opening in local.openings : opening if length([for other in local.openings : other if other == opening]) > 1]))}. websocket_port, http_port, turn_port and 22 (SSH) must differ, and allowed_cidr_blocks must not name the Elastic IP itself."
    }
  }
}

locals {
  elastic_ip = one(concat(aws_eip.server, data.aws_eip.existing))
  subnet_id  = local.given_subnet_id == null ? try(sort(data.aws_subnets.public[0].ids)[0], null) : local.given_subnet_id
  anybody    = "0.0.0.0/0"

  has_ssh = local.ssh_key_name != null

  # What is open: the range of ports, to whom, and why.
  doors = merge(
    local.has_domain ? {
      https = { protocol = "tcp", from = 443, to = 443, cidrs = var.allowed_cidr_blocks, why = "HTTP API and WebSocket with TLS" }
      # The certificate authority asks from addresses that it does not publish. Nothing else than its challenge and a
      # redirection to https is answered there.
      acme = { protocol = "tcp", from = 80, to = 80, cidrs = [local.anybody], why = "Challenges of the certificate authority" }
      } : {
      websocket = { protocol = "tcp", from = var.websocket_port, to = var.websocket_port, cidrs = var.allowed_cidr_blocks, why = "WebSocket server" }
      http      = { protocol = "tcp", from = var.http_port, to = var.http_port, cidrs = var.allowed_cidr_blocks, why = "HTTP API" }
    },
    local.has_turn ? {
      turn-udp = { protocol = "udp", from = var.turn_port, to = var.turn_port, cidrs = var.allowed_cidr_blocks, why = "TURN over UDP" }
      turn-tcp = { protocol = "tcp", from = var.turn_port, to = var.turn_port, cidrs = var.allowed_cidr_blocks, why = "TURN over TCP" }
      relay    = { protocol = "udp", from = var.turn_relay_ports.from, to = var.turn_relay_ports.to, cidrs = var.allowed_cidr_blocks, why = "Relays, from peers" }
    } : {},
    local.has_ssh ? {
      ssh = { protocol = "tcp", from = 22, to = 22, cidrs = var.admin_cidr_blocks, why = "SSH of administrators" }
    } : {},
  )

  ingress = merge([for name, door in local.doors : { for cidr in distinct(door.cidrs) : "${name} ${cidr}" => merge(door, { cidr = cidr }) }]...)

  openings = concat(
    [for opening in local.ingress : "${opening.protocol} ${opening.from}-${opening.to} ${opening.cidr}"],
    local.has_turn ? ["udp ${var.turn_relay_ports.from}-${var.turn_relay_ports.to} ${local.elastic_ip.public_ip}/32"] : [],
  )

  # Image registries, packages, AWS and the certificate authority, all over HTTPS. The VPC's own DNS, clock and metadata
  # service need no rule; a resolver that the VPC's DHCP options name does.
  egress = merge(
    {
      https   = { protocol = "tcp", from = 443, to = 443, why = "AWS, image registries, packages, certificates" }
      dns-udp = { protocol = "udp", from = 53, to = 53, why = "DNS, if the VPC has a resolver of its own" }
      dns-tcp = { protocol = "tcp", from = 53, to = 53, why = "DNS over TCP, for long answers" }
    },
    local.has_turn ? { relay = { protocol = "udp", from = 1024, to = 65535, why = "Relays, to peers" } } : {},
  )
}

resource "aws_vpc_security_group_ingress_rule" "server" {
  for_each          = local.ingress
  security_group_id = aws_security_group.server.id
  ip_protocol       = each.value.protocol
  from_port         = each.value.from
  to_port           = each.value.to
  cidr_ipv4         = each.value.cidr
  description       = each.value.why
  tags              = local.tags
}

# Two peers that are both relayed reach each other from one relay to the other, by the public address of both.
resource "aws_vpc_security_group_ingress_rule" "relay_to_relay" {
  count             = local.has_turn ? 1 : 0
  security_group_id = aws_security_group.server.id
  ip_protocol       = "udp"
  from_port         = var.turn_relay_ports.from
  to_port           = var.turn_relay_ports.to
  cidr_ipv4         = "${local.elastic_ip.public_ip}/32"
  description       = "Relays, from one to another"
  tags              = local.tags
}

resource "aws_vpc_security_group_egress_rule" "server" {
  for_each          = local.egress
  security_group_id = aws_security_group.server.id
  ip_protocol       = each.value.protocol
  from_port         = each.value.from
  to_port           = each.value.to
  cidr_ipv4         = local.anybody
  description       = each.value.why
  tags              = local.tags
}

# A quota that AWS raises on request: no reason to refuse.
check "rules_of_the_security_group" {
  assert {
    condition     = length(local.openings) <= 60
    error_message = "The security group gets ${length(local.openings)} rules, and EC2 takes 60 unless your account has a higher quota (Service Quotas, L-0EA8095F): join networks of allowed_cidr_blocks."
  }
}

data "aws_ec2_instance_type" "this" {
  instance_type = var.instance_type
}

# Amazon Linux 2023, the newest at the time: it has Session Manager's agent and the AWS CLI.
data "aws_ssm_parameter" "ami" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${contains(data.aws_ec2_instance_type.this.supported_architectures, "arm64") ? "arm64" : "x86_64"}"
}

resource "aws_instance" "server" {
  ami                         = data.aws_ssm_parameter.ami.insecure_value
  instance_type               = var.instance_type
  subnet_id                   = local.subnet_id
  vpc_security_group_ids      = [aws_security_group.server.id]
  iam_instance_profile        = aws_iam_instance_profile.server.name
  key_name                    = local.ssh_key_name
  associate_public_ip_address = true # for the first minute, until the Elastic IP is its address
  tags                        = merge(local.tags, { Name = local.name })
  volume_tags                 = merge(local.tags, { Name = local.name })

  # A change, such as another docker_image, stops the instance, and starts it with the new user data, which sets it up
  # anew: disk and address stay.
  user_data_base64            = local.user_data_base64
  user_data_replace_on_change = false

  # A request through a forged URL gets no credentials (IMDSv2). A container is one hop farther than the instance.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 2
  }

  root_block_device {
    encrypted   = true
    volume_type = "gp3"
    volume_size = var.root_volume_size
  }

  # The set-up needs the network and the role from the first second.
  depends_on = [aws_iam_role_policy.server, aws_vpc_security_group_egress_rule.server]

  lifecycle {
    # A newer AMI or another first subnet is no reason to replace a running server: see "Upgrades" in the README.
    # Nor is it that the instance has no public address of its own while the Elastic IP is elsewhere.
    ignore_changes = [ami, subnet_id, associate_public_ip_address]

    precondition {
      condition     = local.subnet_id != null
      error_message = "No subnet of the VPC gives out public addresses and offers ${var.instance_type}: give subnet_id."
    }
    precondition {
      condition     = length(local.colliding_networks) == 0
      error_message = "container_network (${var.container_network}) overlaps with networks of the VPC: ${join(", ", local.colliding_networks)}. Choose another."
    }
    precondition {
      condition     = local.user_data_bytes <= 16384
      error_message = "The user data has ${local.user_data_bytes} bytes when compressed, and EC2 takes 16384: shorten server_settings."
    }
  }
}

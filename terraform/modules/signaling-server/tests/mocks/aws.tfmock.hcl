# What AWS would say: an account without anything of Parley's, in eu-central-1.

mock_data "aws_caller_identity" {
  defaults = { account_id = "111122223333" }
}

mock_data "aws_partition" {
  defaults = { partition = "aws" }
}

mock_data "aws_region" {
  defaults = { name = "eu-central-1" }
}

mock_data "aws_vpcs" {
  defaults = { ids = ["vpc-default"] }
}

mock_data "aws_subnet" {
  defaults = { vpc_id = "vpc-of-the-subnet" }
}

mock_data "aws_vpc" {
  defaults = {
    id                      = "vpc-default"
    cidr_block              = "172.31.0.0/16"
    cidr_block_associations = [{ association_id = "vpc-cidr-assoc-1", cidr_block = "172.31.0.0/16", state = "associated" }]
  }
}

mock_data "aws_ec2_instance_type_offerings" {
  defaults = { locations = ["eu-central-1a", "eu-central-1b"] }
}

mock_data "aws_subnets" {
  defaults = { ids = ["subnet-b", "subnet-a"] }
}

mock_data "aws_ec2_instance_type" {
  defaults = { supported_architectures = ["i386", "x86_64"] }
}

mock_data "aws_ssm_parameter" {
  defaults = { insecure_value = "ami-0123456789abcdef0" }
}

mock_data "aws_eip" {
  defaults = {
    public_ip  = "198.51.100.20"
    public_dns = "ec2-198-51-100-20.eu-central-1.compute.amazonaws.com"
  }
}

mock_resource "aws_eip" {
  defaults = {
    id         = "eipalloc-created"
    public_ip  = "203.0.113.10"
    public_dns = "ec2-203-0-113-10.eu-central-1.compute.amazonaws.com"
  }
}

mock_resource "aws_instance" {
  defaults = { id = "i-0123456789abcdef0" }
}

mock_resource "aws_dynamodb_table" {
  defaults = { arn = "arn:aws:dynamodb:eu-central-1:111122223333:table/created" }
}

mock_resource "aws_cognito_user_pool" {
  defaults = { id = "eu-central-1_Created00" }
}

mock_resource "aws_cognito_user_pool_client" {
  defaults = { id = "createdclient0000000000000" }
}

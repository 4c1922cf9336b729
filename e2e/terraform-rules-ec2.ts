import {
  all,
  api,
  boolean,
  form,
  generated,
  notBeginning,
  oneOf,
  packed,
  type ResourceRules,
  reference,
  tags,
  text,
  whole,
} from './terraform-rules.ts'

const ec2 = (operation: string) => api('AWSEC2', operation)

const tagsOfEc2 = tags({ key: { max: 127 }, value: { min: 0, max: 256 } })

const textOfSecurityGroup = text({ max: 255, of: /[a-zA-Z0-9 ._\-:/()#,@[\]+=&;{}!$*]/ })

const ruleOfSecurityGroup = (operation: string): ResourceRules => ({
  document: ec2(operation),
  arguments: {
    security_group_id: reference,
    ip_protocol: oneOf('tcp', 'udp', 'icmp', '-1'),
    from_port: whole(0, 65_535),
    to_port: whole(0, 65_535),
    cidr_ipv4: form(/^(\d{1,3}\.){3}\d{1,3}\/\d{1,2}$/),
    description: textOfSecurityGroup,
    tags: tagsOfEc2,
  },
})

const found = (operation: string, filters: readonly string[], more: ResourceRules['arguments'] = {}) => ({
  document: ec2(operation),
  arguments: { 'filter.name': oneOf(...filters), 'filter.values': text({ max: 255 }), ...more },
})

/** What EC2 takes; data sources begin with `data.`. */
export const ec2Table: Readonly<Record<string, ResourceRules>> = {
  aws_eip: { document: ec2('AllocateAddress'), arguments: { domain: oneOf('vpc'), tags: tagsOfEc2 } },
  aws_eip_association: {
    document: ec2('AssociateAddress'),
    arguments: { allocation_id: form(/^eipalloc-/), instance_id: form(/^i-/) },
  },
  aws_instance: {
    document: ec2('RunInstances'),
    arguments: {
      ami: form(/^ami-/),
      instance_type: form(/^[a-z0-9-]+\.[a-z0-9-]+$/),
      subnet_id: form(/^subnet-/),
      vpc_security_group_ids: reference,
      iam_instance_profile: reference,
      key_name: text({ max: 255, of: /[\u0020-\u007E]/u }),
      associate_public_ip_address: boolean,
      tags: tagsOfEc2,
      volume_tags: tagsOfEc2,
      // "Limited to 16 KB", before it is written as base64. And cloud-init spoils what is not ASCII.
      user_data_base64: packed(16_384, text({ max: 1_000_000, of: /[\n\t\u0020-\u007E]/u })),
      user_data_replace_on_change: boolean,
      'metadata_options.http_endpoint': oneOf('enabled', 'disabled'),
      'metadata_options.http_tokens': oneOf('optional', 'required'),
      'metadata_options.http_put_response_hop_limit': whole(1, 64),
      'root_block_device.encrypted': boolean,
      'root_block_device.volume_type': oneOf('gp3'),
      // At least the 8 GiB of Amazon Linux's snapshot.
      'root_block_device.volume_size': whole(8, 16_384),
    },
  },
  aws_security_group: {
    document: ec2('CreateSecurityGroup'),
    arguments: {
      name_prefix: all(textOfSecurityGroup, text({ max: 255 - generated }), notBeginning('sg-')),
      description: textOfSecurityGroup,
      vpc_id: form(/^vpc-/),
      tags: tagsOfEc2,
    },
  },
  aws_vpc_security_group_egress_rule: ruleOfSecurityGroup('AuthorizeSecurityGroupEgress'),
  aws_vpc_security_group_ingress_rule: ruleOfSecurityGroup('AuthorizeSecurityGroupIngress'),
  'data.aws_ec2_instance_type': {
    document: ec2('DescribeInstanceTypes'),
    arguments: { instance_type: form(/^[a-z0-9-]+\.[a-z0-9-]+$/) },
  },
  'data.aws_ec2_instance_type_offerings': found('DescribeInstanceTypeOfferings', ['instance-type', 'location'], {
    location_type: oneOf('region', 'availability-zone', 'availability-zone-id', 'outpost'),
  }),
  'data.aws_eip': { document: ec2('DescribeAddresses'), arguments: { id: form(/^eipalloc-/) } },
  'data.aws_subnet': { document: ec2('DescribeSubnets'), arguments: { id: form(/^subnet-/) } },
  'data.aws_subnets': found('DescribeSubnets', ['vpc-id', 'map-public-ip-on-launch', 'availability-zone']),
  'data.aws_vpc': { document: ec2('DescribeVpcs'), arguments: { id: form(/^vpc-/) } },
  'data.aws_vpcs': found('DescribeVpcs', ['is-default']),
}

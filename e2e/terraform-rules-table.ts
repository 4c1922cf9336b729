import {
  all,
  anything,
  boolean,
  form,
  notBeginning,
  oneOf,
  packed,
  type ResourceRules,
  type Rule,
  reference,
  tags,
  text,
  whole,
} from './terraform-rules.ts'

const api = (service: string, operation: string) =>
  `https://docs.aws.amazon.com/${service}/latest/APIReference/API_${operation}.html`
const ec2 = (operation: string) => api('AWSEC2', operation)
const iam = (operation: string) => api('IAM', operation)
const cognito = (operation: string) => api('cognito-user-identity-pools', operation)

/** Terraform makes a name of a prefix and 26 characters. */
const generated = 26
const taggable = /[\p{L}\p{Z}\p{N}_.:/=+\-@]/u
const tagsOfEc2 = tags({ key: { max: 127 }, value: { min: 0, max: 256 } })
const tagsOfIam = tags({ key: { max: 128, of: taggable }, value: { min: 0, max: 256, of: taggable }, ignoresCase: true })
/** Cognito, CloudWatch, DynamoDB: their pages name lengths alone, and the general rules of tags apply. */
const tagsOfOthers = tags({ key: { max: 128, of: taggable }, value: { min: 0, max: 256, of: taggable } })
const tagsOfSsm = tags({ key: { max: 128, of: taggable }, value: { min: 1, max: 256, of: taggable } })

const nameOfIam = /[\w+=,.@-]/
const nameOfCognito = /[\w\s+=,.@-]/
const textOfSecurityGroup = text({ max: 255, of: /[a-zA-Z0-9 ._\-:/()#,@[\]+=&;{}!$*]/ })
const arn = all(text({ max: 1024 }), form(/^arn:aws[a-z-]*:/))
const ipv4 = form(/^(\d{1,3}\.){3}\d{1,3}$/)
const hostName = all(
  text({ max: 255 }),
  form(/^(?=.{1,253}$)([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,62}$/),
)
const unit = oneOf('Count', 'Percent', 'Bytes', 'Seconds', 'Milliseconds', 'None')

/** The documents of IAM; an inline policy of a role has 10,240 characters at most, without white space. */
const policy = (max: number): Rule =>
  all(text({ max: 131_072, of: /[\u0009\u000A\u000D\u0020-\u00FF]/u }), value => {
    const { length } = String(value).replaceAll(/\s/g, '')
    return length <= max ? undefined : `has ${length} characters without white space, and ${max} are allowed`
  })

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
const nothingSaid = (document: string): ResourceRules => ({ document, arguments: {} })

/** By resource; data sources begin with `data.`. Checked against the service models of botocore 1.29. */
export const table: Readonly<Record<string, ResourceRules>> = {
  aws_cloudwatch_log_group: {
    document: api('AmazonCloudWatchLogs', 'CreateLogGroup'),
    arguments: {
      name: all(text({ max: 512, of: /[.\-_/#A-Za-z0-9]/ }), notBeginning('aws/')),
      // PutRetentionPolicy
      retention_in_days: oneOf(
        ...[0, 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731],
        ...[1096, 1827, 2192, 2557, 2922, 3288, 3653],
      ),
      tags: tagsOfOthers,
    },
  },
  aws_cloudwatch_log_metric_filter: {
    document: api('AmazonCloudWatchLogs', 'PutMetricFilter'),
    arguments: {
      name: text({ max: 512, of: /[^:*]/ }),
      log_group_name: text({ max: 512, of: /[.\-_/#A-Za-z0-9]/ }),
      pattern: text({ min: 0, max: 1024 }),
      'metric_transformation.name': text({ max: 255, of: /[^:*$]/ }),
      'metric_transformation.namespace': text({ max: 255, of: /[^:*$]/ }),
      'metric_transformation.value': text({ max: 100 }),
      'metric_transformation.default_value': form(/^-?\d+(\.\d+)?$/),
      'metric_transformation.unit': unit,
    },
  },
  aws_cloudwatch_metric_alarm: {
    document: api('AmazonCloudWatch', 'PutMetricAlarm'),
    arguments: {
      alarm_name: text({ max: 255 }),
      alarm_description: text({ min: 0, max: 1024 }),
      namespace: all(text({ max: 255 }), form(/^[^:]/)),
      metric_name: text({ max: 255 }),
      dimensions: tags({ key: { max: 255 }, value: { max: 1024 } }),
      statistic: oneOf('SampleCount', 'Average', 'Sum', 'Minimum', 'Maximum'),
      comparison_operator: form(/^(GreaterThan|LessThan)(OrEqualTo)?Threshold$/),
      threshold: value => (Number.isFinite(value) ? undefined : 'is no number'),
      period: value => (Number(value) % 60 === 0 || value === 10 || value === 30 ? undefined : 'is no period'),
      // Together they may not be longer than a day: 288 periods of the longest, 300 s.
      evaluation_periods: whole(1, 288),
      treat_missing_data: oneOf('breaching', 'notBreaching', 'ignore', 'missing'),
      alarm_actions: arn,
      ok_actions: arn,
      insufficient_data_actions: arn,
      tags: tagsOfOthers,
    },
  },
  aws_cognito_user_pool: {
    document: cognito('CreateUserPool'),
    arguments: {
      name: text({ max: 128, of: nameOfCognito }),
      deletion_protection: oneOf('ACTIVE', 'INACTIVE'),
      user_pool_tier: oneOf('LITE', 'ESSENTIALS', 'PLUS'),
      mfa_configuration: oneOf('OFF', 'ON', 'OPTIONAL'),
      tags: tagsOfOthers,
      'admin_create_user_config.allow_admin_create_user_only': boolean,
      'username_configuration.case_sensitive': boolean,
      'password_policy.minimum_length': whole(6, 99),
      'password_policy.require_lowercase': boolean,
      'password_policy.require_uppercase': boolean,
      'password_policy.require_numbers': boolean,
      'password_policy.require_symbols': boolean,
      'password_policy.temporary_password_validity_days': whole(0, 365),
      'account_recovery_setting.recovery_mechanism.name': oneOf('admin_only', 'verified_email', 'verified_phone_number'),
      'account_recovery_setting.recovery_mechanism.priority': whole(1, 2),
    },
  },
  aws_cognito_user_pool_client: {
    document: cognito('CreateUserPoolClient'),
    arguments: {
      name: text({ max: 128, of: nameOfCognito }),
      user_pool_id: all(text({ max: 55 }), form(/^[\w-]+_[0-9a-zA-Z]+$/)),
      generate_secret: boolean,
      explicit_auth_flows: oneOf('ALLOW_USER_PASSWORD_AUTH', 'ALLOW_REFRESH_TOKEN_AUTH'),
      prevent_user_existence_errors: oneOf('LEGACY', 'ENABLED'),
      enable_token_revocation: boolean,
      // 5 minutes to a day; an hour to ten years; each at least as long as the ones before.
      id_token_validity: whole(5, 1440),
      access_token_validity: whole(5, 1440),
      refresh_token_validity: whole(1, 3650),
      'token_validity_units.id_token': oneOf('minutes'),
      'token_validity_units.access_token': oneOf('minutes'),
      'token_validity_units.refresh_token': oneOf('days'),
    },
  },
  aws_dynamodb_table: {
    document: api('amazondynamodb', 'CreateTable'),
    arguments: {
      name: text({ min: 3, max: 255, of: /[a-zA-Z0-9_.-]/ }),
      billing_mode: oneOf('PAY_PER_REQUEST', 'PROVISIONED'),
      hash_key: text({ max: 255 }),
      deletion_protection_enabled: boolean,
      tags: tagsOfOthers,
      'attribute.name': text({ max: 255 }),
      'attribute.type': oneOf('S', 'N', 'B'),
      'ttl.attribute_name': text({ max: 255 }),
      'ttl.enabled': boolean,
      'point_in_time_recovery.enabled': boolean,
      'server_side_encryption.enabled': boolean,
    },
  },
  aws_eip: { document: ec2('AllocateAddress'), arguments: { domain: oneOf('vpc'), tags: tagsOfEc2 } },
  aws_eip_association: {
    document: ec2('AssociateAddress'),
    arguments: { allocation_id: form(/^eipalloc-/), instance_id: form(/^i-/) },
  },
  aws_iam_instance_profile: {
    document: iam('CreateInstanceProfile'),
    arguments: { name_prefix: text({ max: 128 - generated, of: nameOfIam }), role: reference, tags: tagsOfIam },
  },
  aws_iam_role: {
    document: iam('CreateRole'),
    arguments: {
      name_prefix: text({ max: 64 - generated, of: nameOfIam }),
      description: text({ min: 0, max: 1000, of: /[\u0009\u000A\u000D\u0020-\u007E\u00A1-\u00FF]/u }),
      assume_role_policy: policy(2048),
      tags: tagsOfIam,
    },
  },
  aws_iam_role_policy: {
    document: iam('PutRolePolicy'),
    arguments: { name: text({ max: 128, of: nameOfIam }), role: reference, policy: policy(10_240) },
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
  aws_route53_record: {
    document: api('Route53', 'ResourceRecordSet'),
    arguments: {
      zone_id: text({ max: 32, of: /[A-Z0-9]/ }),
      name: hostName,
      type: oneOf('A'),
      ttl: whole(0, 2_147_483_647),
      records: ipv4,
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
  aws_ssm_parameter: {
    document: api('systems-manager', 'PutParameter'),
    arguments: {
      // 1011 with the ARN before it, and 15 levels.
      name: all(
        text({ max: 1011 - 64, of: /[a-zA-Z0-9_.\-/]/ }),
        form(/^(\/[^/]+){1,15}$/),
        notBeginning('aws', 'ssm', '/aws', '/ssm'),
      ),
      description: text({ min: 0, max: 1024 }),
      type: oneOf('String', 'StringList', 'SecureString'),
      tags: tagsOfSsm,
      // Never in a state.
      value_wo: () => 'is in the state',
      value_wo_version: anything,
    },
  },
  aws_vpc_security_group_egress_rule: ruleOfSecurityGroup('AuthorizeSecurityGroupEgress'),
  aws_vpc_security_group_ingress_rule: ruleOfSecurityGroup('AuthorizeSecurityGroupIngress'),
  'data.aws_caller_identity': nothingSaid('https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html'),
  'data.aws_ec2_instance_type': {
    document: ec2('DescribeInstanceTypes'),
    arguments: { instance_type: form(/^[a-z0-9-]+\.[a-z0-9-]+$/) },
  },
  'data.aws_ec2_instance_type_offerings': found('DescribeInstanceTypeOfferings', ['instance-type', 'location'], {
    location_type: oneOf('region', 'availability-zone', 'availability-zone-id', 'outpost'),
  }),
  'data.aws_eip': { document: ec2('DescribeAddresses'), arguments: { id: form(/^eipalloc-/) } },
  'data.aws_partition': nothingSaid('https://docs.aws.amazon.com/general/latest/gr/rande.html'),
  'data.aws_region': nothingSaid('https://docs.aws.amazon.com/general/latest/gr/rande.html'),
  'data.aws_ssm_parameter': {
    document: api('systems-manager', 'GetParameter'),
    arguments: { name: text({ max: 1011, of: /[a-zA-Z0-9_.\-/]/ }) },
  },
  'data.aws_subnet': { document: ec2('DescribeSubnets'), arguments: { id: form(/^subnet-/) } },
  'data.aws_subnets': found('DescribeSubnets', ['vpc-id', 'map-public-ip-on-launch', 'availability-zone']),
  'data.aws_vpc': { document: ec2('DescribeVpcs'), arguments: { id: form(/^vpc-/) } },
  'data.aws_vpcs': found('DescribeVpcs', ['is-default']),
}

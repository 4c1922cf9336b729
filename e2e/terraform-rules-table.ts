import {
  all,
  anything,
  api,
  boolean,
  form,
  generated,
  notBeginning,
  oneOf,
  type ResourceRules,
  type Rule,
  reference,
  tags,
  text,
  whole,
} from './terraform-rules.ts'
import { ec2Table } from './terraform-rules-ec2.ts'

const iam = (operation: string) => api('IAM', operation)
const cognito = (operation: string) => api('cognito-user-identity-pools', operation)

const taggable = /[\p{L}\p{Z}\p{N}_.:/=+\-@]/u
const tagsOfIam = tags({
  key: { max: 128, of: taggable },
  value: { min: 0, max: 256, of: taggable },
  ignoresCase: true,
})
/** Cognito, CloudWatch, DynamoDB: their pages name lengths alone, and the general rules of tags apply. */
const tagsOfOthers = tags({ key: { max: 128, of: taggable }, value: { min: 0, max: 256, of: taggable } })
const tagsOfSsm = tags({ key: { max: 128, of: taggable }, value: { min: 1, max: 256, of: taggable } })

const nameOfIam = /[\w+=,.@-]/
const nameOfCognito = /[\w\s+=,.@-]/
const arn = all(text({ max: 1024 }), form(/^arn:aws[a-z-]*:/))
const ipv4 = form(/^(\d{1,3}\.){3}\d{1,3}$/)
const hostName = all(
  text({ max: 255 }),
  form(/^(?=.{1,253}$)([a-z0-9_]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,62}$/),
)
const unit = oneOf('Count', 'Percent', 'Bytes', 'Seconds', 'Milliseconds', 'None')

/** The documents of IAM; an inline policy of a role has 10,240 characters at most, without white space. */
const policy = (max: number): Rule =>
  all(text({ max: 131_072, of: /[\t\n\r\u0020-\u00FF]/u }), value => {
    const { length } = String(value).replaceAll(/\s/g, '')
    return length <= max ? undefined : `has ${length} characters without white space, and ${max} are allowed`
  })

const nothingSaid = (document: string): ResourceRules => ({ document, arguments: {} })

/** By resource; data sources begin with `data.`. Checked against the service models of botocore 1.29. */
export const table: Readonly<Record<string, ResourceRules>> = {
  ...ec2Table,
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
      'account_recovery_setting.recovery_mechanism.name': oneOf(
        'admin_only',
        'verified_email',
        'verified_phone_number',
      ),
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
  aws_iam_instance_profile: {
    document: iam('CreateInstanceProfile'),
    arguments: { name_prefix: text({ max: 128 - generated, of: nameOfIam }), role: reference, tags: tagsOfIam },
  },
  aws_iam_role: {
    document: iam('CreateRole'),
    arguments: {
      name_prefix: text({ max: 64 - generated, of: nameOfIam }),
      description: text({ min: 0, max: 1000, of: /[\t\n\r\u0020-\u007E\u00A1-\u00FF]/u }),
      assume_role_policy: policy(2048),
      tags: tagsOfIam,
    },
  },
  aws_iam_role_policy: {
    document: iam('PutRolePolicy'),
    arguments: { name: text({ max: 128, of: nameOfIam }), role: reference, policy: policy(10_240) },
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
  'data.aws_caller_identity': nothingSaid(
    'https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html',
  ),
  'data.aws_partition': nothingSaid('https://docs.aws.amazon.com/general/latest/gr/rande.html'),
  'data.aws_region': nothingSaid('https://docs.aws.amazon.com/general/latest/gr/rande.html'),
  'data.aws_ssm_parameter': {
    document: api('systems-manager', 'GetParameter'),
    arguments: { name: text({ max: 1011, of: /[a-zA-Z0-9_.\-/]/ }) },
  },
}

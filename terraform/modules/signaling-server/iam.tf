# What the instance may do, the containers on it included. Every action is one that something on it calls, every resource
# one of this deployment. The documents are written out here, so that the tests compare what AWS gets.
resource "aws_iam_role" "server" {
  name_prefix = "${local.name}-"
  description = "Signaling server of Parley (${var.environment})"
  tags        = local.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ec2.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_instance_profile" "server" {
  name_prefix = "${local.name}-"
  role        = aws_iam_role.server.name
  tags        = local.tags
}

locals {
  # Images in private ECR repositories: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/parley:1.0.0
  images = concat([var.docker_image], local.has_domain ? [var.caddy_image] : [], local.has_turn ? [var.coturn_image] : [])
  in_ecr = [for image in local.images : regex("^(?P<account>[0-9]{12})\\.dkr\\.ecr\\.(?P<region>[a-z0-9-]+)\\.amazonaws\\.com(?:\\.cn)?/(?P<repository>[^:@]+)", image)
    if can(regex("^[0-9]{12}\\.dkr\\.ecr\\.", image))
  ]

  ec2_arn = "${local.arn}:ec2:${local.region}:${data.aws_caller_identity.current.account_id}"

  statements = concat(
    [
      {
        Sid    = "Rooms"
        Effect = "Allow"
        Action = [
          "dynamodb:BatchGetItem",
          "dynamodb:DeleteItem",
          "dynamodb:GetItem",
          "dynamodb:PutItem",
          "dynamodb:UpdateItem",
        ]
        Resource = local.table_arn
      },
      {
        # SignUp and InitiateAuth, which the server calls too, take no credentials.
        Sid      = "Identities"
        Effect   = "Allow"
        Action   = ["cognito-idp:AdminConfirmSignUp", "cognito-idp:AdminDeleteUser"]
        Resource = local.user_pool_arn
      },
      {
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${local.log_group_arn}:log-stream:*"
      },
      {
        # PutMetricData knows no resources, but the namespace is one.
        Sid       = "Metrics"
        Effect    = "Allow"
        Action    = "cloudwatch:PutMetricData"
        Resource  = "*"
        Condition = { StringEquals = { "cloudwatch:namespace" = local.metric_namespace } }
      },
      {
        # Session Manager, and no more. The managed policy AmazonSSMManagedInstanceCore would let the instance read every
        # parameter of the account. These actions know no other resource than "*".
        Sid    = "SessionManager"
        Effect = "Allow"
        Action = [
          "ssm:UpdateInstanceInformation",
          "ssmmessages:CreateControlChannel",
          "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel",
          "ssmmessages:OpenDataChannel",
        ]
        Resource = "*"
      },
    ],
    # Decrypting needs no permission of its own: the key is the one that AWS keeps for SSM in this account.
    [for name in local.turn_parameter[*] : {
      Sid      = "TurnSecret"
      Effect   = "Allow"
      Action   = "ssm:GetParameter"
      Resource = "${local.arn}:ssm:${local.region}:${data.aws_caller_identity.current.account_id}:parameter/${trimprefix(name, "/")}"
    }],
    # The address that was given, and no other, to this instance. EC2 may ask for the network interface, too.
    flatten([for address in local.given_eip_id[*] : [
      {
        Sid      = "Address"
        Effect   = "Allow"
        Action   = "ec2:AssociateAddress"
        Resource = ["${local.ec2_arn}:elastic-ip/${address}", "${local.ec2_arn}:network-interface/*"]
      },
      {
        Sid       = "AddressOfThisInstance"
        Effect    = "Allow"
        Action    = "ec2:AssociateAddress"
        Resource  = "${local.ec2_arn}:instance/*"
        Condition = { StringEquals = { "ec2:ResourceTag/Name" = local.name } }
      },
    ]]),
    [for statement in [
      {
        Sid      = "RegistryLogin"
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Sid      = "Images"
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = distinct([for image in local.in_ecr : "${local.arn}:ecr:${image.region}:${image.account}:repository/${image.repository}"])
      },
    ] : statement if length(local.in_ecr) > 0],
  )
}

resource "aws_iam_role_policy" "server" {
  name = local.name
  role = aws_iam_role.server.id

  policy = jsonencode({ Version = "2012-10-17", Statement = local.statements })
}

# Terraform or OpenTofu. State goes into a bucket that is not in this repository: give its name once,
#   terraform init -backend-config=bucket=NAME_OF_THE_STATE_BUCKET
terraform {
  required_version = ">= 1.6"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "~> 6.0"
    }
  }

  backend "gcs" {
    prefix = "draenei-collector"
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

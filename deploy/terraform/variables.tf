variable "project" {
  description = "Google Cloud project"
  type        = string
}

variable "region" {
  description = "where bucket and dataset are; it cannot be changed later"
  type        = string
  default     = "europe-west1"
}

variable "bucket_name" {
  description = "name of the lake's bucket, unique in the world"
  type        = string
}

variable "dataset_id" {
  description = "name of the warehouse's dataset"
  type        = string
  default     = "draenei_content"
}

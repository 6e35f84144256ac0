# The lake: what is collected stays. No rule deletes objects, and destroying the bucket fails while it holds any.
resource "google_storage_bucket" "lake" {
  name                        = var.bucket_name
  location                    = var.region
  force_destroy               = false
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"

  versioning {
    enabled = true
  }

  soft_delete_policy {
    retention_duration_seconds = 2592000
  }

  lifecycle {
    prevent_destroy = true
  }
}

# The warehouse: tables do not expire, and a dataset with tables is not deleted.
resource "google_bigquery_dataset" "warehouse" {
  dataset_id                 = var.dataset_id
  location                   = var.region
  delete_contents_on_destroy = false

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_service_account" "collector" {
  account_id   = "draenei-collector"
  display_name = "Collects into the lake and builds the warehouse"
}

# It creates and reads. Only a takedown deletes, and that is done by a person with a role of his own.
resource "google_storage_bucket_iam_member" "creates" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectCreator"
  member = google_service_account.collector.member
}

resource "google_storage_bucket_iam_member" "reads" {
  bucket = google_storage_bucket.lake.name
  role   = "roles/storage.objectViewer"
  member = google_service_account.collector.member
}

resource "google_bigquery_dataset_iam_member" "builds" {
  dataset_id = google_bigquery_dataset.warehouse.dataset_id
  role       = "roles/bigquery.dataEditor"
  member     = google_service_account.collector.member
}

resource "google_project_iam_member" "queries" {
  project = var.project
  role    = "roles/bigquery.jobUser"
  member  = google_service_account.collector.member
}

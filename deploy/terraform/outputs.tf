output "bucket" {
  description = "the lake"
  value       = google_storage_bucket.lake.url
}

output "service_account" {
  description = "who collects"
  value       = google_service_account.collector.email
}

//go:build pinned

// Package minio pins the MinIO server and all that it is built from in go.mod and go.sum.
package minio

import _ "github.com/minio/minio"

//go:build pinned

// Package kustomize pins kustomize and all that it is built from in go.mod and go.sum.
package kustomize

import _ "sigs.k8s.io/kustomize/kustomize/v5"

// Package suite runs the official Gateway API conformance suite against the cluster that KUBECONFIG names.
package suite

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

func TestConformance(t *testing.T) { conformance.RunConformance(t) }

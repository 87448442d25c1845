package app

import "testing"

// TestTrim: what of the program is resident shrinks, and the program goes on.
func TestTrim(t *testing.T) {
	resident := func() (sum int) {
		t.Helper()
		parts, err := programMappings()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range parts {
			sum += m.resident
		}
		return sum
	}
	before := resident()
	if err := trim(); err != nil {
		t.Fatal(err)
	}
	if after := resident(); before == 0 || after >= before*3/4 {
		t.Errorf("%d KiB of the program were resident, %d KiB are", before, after)
	}
}

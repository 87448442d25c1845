package settings

import (
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/belaycd/belay/api/v1alpha1"
)

// Values of the label argocd.argoproj.io/secret-type.
const (
	typeCluster    = "cluster"
	typeRepository = "repository"
	typeRepoCreds  = "repo-creds"
)

func secretType(s *corev1.Secret) string { return s.Labels[v1alpha1.LabelSecretType] }

// data reads the keys of a Secret and remembers the first that is wrong. Its messages never repeat a value.
type data struct {
	secret *corev1.Secret
	wrong  *Problem
}

func (d *data) mismatch(key, reason string) {
	if d.wrong == nil {
		d.wrong = &Problem{Object: "Secret/" + d.secret.Name, Key: key, Reason: reason}
	}
}

func (d *data) err() error {
	if d.wrong == nil {
		return nil
	}
	return *d.wrong
}

// text returns a value without the line break that many a tool leaves at its end.
func (d *data) text(key string) string {
	v := strings.TrimSpace(string(d.secret.Data[key]))
	if !oneLine(v) {
		d.mismatch(key, "the value has more than one line")
		return ""
	}
	return v
}

// hidden returns a value of one line that must not be shown. Spaces at its ends belong to it, line breaks do not.
func (d *data) hidden(key string) Secret {
	v := strings.Trim(string(d.secret.Data[key]), "\r\n")
	if !oneLine(v) {
		d.mismatch(key, "the value has more than one line")
		return Secret{}
	}
	return NewSecret(v)
}

// block returns a value of any number of lines that must not be shown, such as a key.
func (d *data) block(key string) Secret { return NewSecret(string(d.secret.Data[key])) }

func (d *data) truth(key string) bool {
	v := d.text(key)
	if v == "" {
		return false
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		d.mismatch(key, "the value is neither true nor false")
	}
	return b
}

func (d *data) number(key string) int64 {
	v := d.text(key)
	if v == "" {
		return 0
	}
	n, err := strconv.ParseInt(v, 10, 64)
	if err != nil || n < 0 {
		d.mismatch(key, "the value is no whole number of 0 or more")
		return 0
	}
	return n
}

func (d *data) required(key string) string {
	v := d.text(key)
	if v == "" {
		d.mismatch(key, fmt.Sprintf("the key is missing or empty; a Secret of type %s needs it", secretType(d.secret)))
	}
	return v
}

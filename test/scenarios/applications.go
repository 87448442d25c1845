package scenarios

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/util/retry"

	"github.com/belaycd/belay/api/v1alpha1"
)

// refresh asks for a look at Git and returns when it was taken.
func refresh(c *call) error {
	level := v1alpha1.RefreshNormal
	if c.arg(1) == "hard" {
		level = v1alpha1.RefreshHard
	} else if c.arg(1) != "" {
		return fmt.Errorf("refresh: want nothing or hard, not %q", c.arg(1))
	}
	t := c.parse("app/"+c.args[0], c.namespace, "")
	// To ask while an earlier request stands changes nothing, and that one may have been answered by a look in the past.
	if err := c.untilTrue(t, noRefresh, nil); err != nil {
		return err
	}
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationRefresh, level)
	if err := c.patch(t, []byte(patch)); err != nil {
		return err
	}
	return c.untilTrue(t, noRefresh, nil)
}

const noRefresh = `. != null and (.metadata.annotations["` + v1alpha1.AnnotationRefresh + `"] // "") == ""`

// change edits an Application with conflicts retried, as clients of Argo CD do.
func (c *call) change(name string, change func(app *unstructured.Unstructured) error) error {
	at, err := c.at(c.parse("app/"+name, c.namespace, ""))
	if err != nil {
		return err
	}
	return retry.RetryOnConflict(retry.DefaultBackoff, func() error {
		app, err := at.Get(c.ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if err := change(app); err != nil {
			return err
		}
		_, err = at.Update(c.ctx, app, metav1.UpdateOptions{FieldManager: by})
		return err
	})
}

// startSync asks for an operation by the protocol of Argo CD's clients.
func startSync(c *call) error {
	op := map[string]any{"sync": map[string]any{}, "initiatedBy": map[string]any{"username": by}}
	if text := c.arg(2); text != "" {
		if err := json.Unmarshal([]byte(c.expand(c.ts, text)), &op); err != nil {
			return fmt.Errorf("sync: JSON of the operation: %w", err)
		}
	}
	if text := c.arg(1); text != "" {
		var sync map[string]any
		if err := json.Unmarshal([]byte(c.expand(c.ts, text)), &sync); err != nil {
			return fmt.Errorf("sync: JSON of operation.sync: %w", err)
		}
		op["sync"] = sync
	}
	return c.change(c.args[0], func(app *unstructured.Unstructured) error {
		if app.Object["operation"] != nil {
			return fmt.Errorf("sync: an operation is in progress:\n%s", describe(app))
		}
		app.Object["operation"] = op
		unstructured.RemoveNestedField(app.Object, "status", "operationState")
		return nil
	})
}

// terminate ends the operation that is under way.
func terminate(c *call) error {
	return c.change(c.args[0], func(app *unstructured.Unstructured) error {
		if app.Object["operation"] == nil {
			return errors.New("terminate: no operation is in progress")
		}
		return unstructured.SetNestedField(app.Object, string(v1alpha1.OperationTerminating), "status", "operationState", "phase")
	})
}

// confirm approves the deletions that wait for a person.
func confirm(c *call) error {
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationDeletionApproved, time.Now().UTC().Format(time.RFC3339))
	return c.patch(c.parse("app/"+c.args[0], c.namespace, ""), []byte(patch))
}

// ended waits for the end of the operation that was asked for, and then expects its phase and texts in its message.
func ended(c *call) error {
	t := c.parse("app/"+c.args[0], c.namespace, "")
	var last *unstructured.Unstructured
	if err := c.untilTrue(t, "ended", &last); err != nil {
		return err
	}
	phase, _, _ := unstructured.NestedString(last.Object, "status", "operationState", "phase")
	message, _, _ := unstructured.NestedString(last.Object, "status", "operationState", "message")
	if phase != c.args[1] {
		return fmt.Errorf("the operation ended %s: %s\n%s", phase, message, describe(last))
	}
	for _, text := range c.args[2:] {
		if text = c.expand(c.ts, text); !strings.Contains(message, text) {
			return fmt.Errorf("the operation's message lacks %q: %s", text, message)
		}
	}
	return nil
}

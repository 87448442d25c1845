package workload

import (
	"fmt"
	"strings"

	"github.com/belaycd/belay/internal/check"
)

func imageTag() rule {
	return rule{
		Rule: check.Rule{
			ID: "image-tag", Title: "image without a fixed tag", Severity: check.Error,
			Why:       "An image without a tag, or with the tag latest, is whatever was pushed last: two pods of one deployment may run different programs, and a rollback brings nothing back.",
			Fix:       "Name the release: a tag that is never moved, or better a digest.",
			Standards: []string{"kube-linter latest-tag", "KSV-0013"},
		},
		container: func(c check.Container, report reporter) {
			image, _ := c.Fields["image"].(string)
			if image == "" || strings.Contains(image, "@") {
				return
			}
			tag := ""
			if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
				tag = image[i+1:]
			}
			switch tag {
			case "":
				report(check.Join(c.Path, "image"), fmt.Sprintf("container %s runs %s, which has no tag", c.Name, image))
			case "latest":
				report(check.Join(c.Path, "image"), fmt.Sprintf("container %s runs %s, whose tag moves", c.Name, image))
			}
		},
	}
}

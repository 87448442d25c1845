package server

import (
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Tables are what the pages load of a large fleet or a large application. They hold by columns what the lists hold by rows, and
// each text once: rows refer to it by its number. A browser reads them at a fraction of the cost: most of what it takes to show
// thousands of rows is the reading of their JSON.

// texts numbers texts; the empty text is 0.
type texts struct {
	list []string
	seen map[string]int
	sets map[string]int
	// lists are lists of numbers of texts; the empty list is 0.
	lists [][]int
}

func newTexts() *texts {
	return &texts{list: []string{""}, seen: map[string]int{"": 0}, sets: map[string]int{"": 0}, lists: [][]int{{}}}
}

// of returns the number of a text.
func (t *texts) of(text string) int {
	n, ok := t.seen[text]
	if !ok {
		n = len(t.list)
		t.list, t.seen[text] = append(t.list, text), n
	}
	return n
}

// time returns the number of a time as text; of none 0.
func (t *texts) time(at *metav1.Time) int {
	if at.IsZero() {
		return 0
	}
	return t.of(at.UTC().Format(time.RFC3339))
}

// set returns the number of a list of texts.
func (t *texts) set(list ...string) int {
	numbers := make([]int, len(list))
	var key strings.Builder
	for i, text := range list {
		numbers[i] = t.of(text)
		key.WriteString(strconv.Itoa(numbers[i]))
		key.WriteByte(' ')
	}
	n, ok := t.sets[key.String()]
	if !ok {
		n = len(t.lists)
		t.lists, t.sets[key.String()] = append(t.lists, numbers), n
	}
	return n
}

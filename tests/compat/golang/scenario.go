// Package scenario is how a scenario in Go tells its tests; ../scenario.py says what each test is.
package scenario

import (
	"fmt"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Codecs are the compressions that every client goes through.
var Codecs = []string{"none", "gzip", "snappy", "lz4", "zstd"}

// Within bounds a single wait.
const Within = 40 * time.Second

// Run tells the topics and groups of this run from those of others.
var Run = fmt.Sprintf("%d-%d", os.Getpid(), time.Now().Unix())

// Bootstrap is the address of the server.
func Bootstrap() string { return os.Getenv("BOOTSTRAP") }

// Wrong is what a test raises when the server did not do what was expected.
type Wrong struct{ What string }

func (w Wrong) Error() string { return w.What }

// Fail ends the test.
func Fail(format string, arguments ...any) { panic(Wrong{fmt.Sprintf(format, arguments...)}) }

// Must ends the test when there is an error.
func Must(err error, what string) {
	if err != nil {
		Fail("%s: %v", what, err)
	}
}

// Same ends the test when two things differ as they are printed.
func Same(found, expected any, what string) {
	f, e := fmt.Sprintf("%v", found), fmt.Sprintf("%v", expected)
	if f != e {
		Fail("%s: %.200s instead of %.200s", what, f, e)
	}
}

// Until waits for something to hold.
func Until(holds func() bool, what string, state func() string) {
	for end := time.Now().Add(Within); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			said := ""
			if state != nil {
				said = "; " + state()
			}
			Fail("not within %v: %s%s", Within, what, said)
		}
	}
}

// Record is what is produced and must be read back.
type Record struct {
	Key, Value string
	Headers    [][2]string
}

// Records makes records that can be told apart.
func Records(count int, tag string, first int) []Record {
	made := make([]Record, 0, count)
	for n := first; n < first+count; n++ {
		made = append(made, Record{fmt.Sprintf("key-%d", n%50), fmt.Sprintf("%s value %d %s", tag, n, strings.Repeat("xyz", 20)),
			[][2]string{{"trace", fmt.Sprint(n)}, {"empty", ""}, {"trace", "2"}}})
	}
	return made
}

// Numbers are 0 to count-1.
func Numbers(count int) []int32 {
	made := make([]int32, count)
	for n := range made {
		made[n] = int32(n)
	}
	return made
}

// Shared says whether every partition has one owner and every member has some.
func Shared(owned [][]int32, partitions int) bool {
	var all []int32
	for _, one := range owned {
		if len(one) == 0 {
			return false
		}
		all = append(all, one...)
	}
	slices.Sort(all)
	return slices.Equal(all, Numbers(partitions))
}

// Test is a test under a name.
type Test struct {
	Name string
	Body func()
}

// All runs every test that is wanted and tells how it went.
func All(tests []Test) {
	skip, only := strings.Fields(os.Getenv("SKIP")), strings.Fields(os.Getenv("ONLY"))
	for _, test := range tests {
		if listed(test.Name, skip) || len(only) > 0 && !listed(test.Name, only) {
			continue
		}
		if problem := run(test.Body); problem != "" {
			fmt.Printf("fail %s: %.600s\n", test.Name, strings.Join(strings.Fields(problem), " "))
		} else {
			fmt.Printf("pass %s\n", test.Name)
		}
	}
	fmt.Println("end")
}

func listed(name string, globs []string) bool {
	return slices.ContainsFunc(globs, func(glob string) bool { found, _ := path.Match(glob, name); return found })
}

func run(body func()) (problem string) {
	defer func() {
		if raised := recover(); raised != nil {
			if _, expected := raised.(Wrong); !expected {
				debug.PrintStack()
			}
			problem = fmt.Sprint(raised)
			if problem == "" {
				problem = "no reason told"
			}
		}
	}()
	body()
	return ""
}

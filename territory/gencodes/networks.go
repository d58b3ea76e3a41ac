package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const listSource = "Wikipedia via mcc-mnc-list 1.1.11"

type operator struct {
	Type        string
	CountryCode string
	MCC, MNC    string
	Status      string
}

var plainMNC = regexp.MustCompile(`^[0-9]{2,3}$`)

// sovereign replaces codes of the list that are not territories here.
var sovereign = map[string]string{
	"GE-AB": "GE", // Abkhazia's MCC 289; the borders answer GE there
}

// networkTable writes plmn.csv: one row for each MCC, and one for each network that differs from its MCC's row. The
// rows of the table made by hand replace those of the list, and each has its own source and reason.
func networkTable(modules, handmade string, codes codeTable) ([]byte, int, error) {
	var list []operator
	if err := readJSON(filepath.Join(modules, "mcc-mnc-list", "mcc-mnc-list.json"), &list); err != nil {
		return nil, 0, err
	}
	hand, err := os.ReadFile(handmade)
	if err != nil {
		return nil, 0, err
	}
	header, body, _ := strings.Cut(strings.TrimSpace(string(hand)), "\n")
	byHand, whole := make(map[string]string), make(map[string]string)
	for _, line := range strings.Split(body, "\n") {
		f := strings.Split(line, ",")
		byHand[f[0]] = line
		if len(f[0]) == 3 {
			whole[f[0]] = f[1]
		}
	}
	rows, err := rowsOf(list, codes, whole)
	if err != nil {
		return nil, 0, err
	}
	maps.Copy(rows, byHand)
	var out strings.Builder
	out.WriteString(header + "\n")
	for _, key := range sortedKeys(rows) {
		out.WriteString(rows[key] + "\n")
	}
	return []byte(out.String()), len(rows), nil
}

// rowsOf makes the rows of the list. whole says what each MCC with a row made by hand serves.
func rowsOf(list []operator, codes codeTable, whole map[string]string) (map[string]string, error) {
	networks := make(map[string][]string) // MCC-MNC to territories
	weight := make(map[string]map[string]int)
	for _, o := range list {
		if o.Type != "National" {
			continue
		}
		for _, c := range strings.Split(o.CountryCode, "/") {
			if s, ok := sovereign[c]; ok {
				c = s
			}
			if !slices.Contains(codes.countries, c) {
				return nil, fmt.Errorf("%s-%s is in %q, which is no known code", o.MCC, o.MNC, c)
			}
			if weight[o.MCC] == nil {
				weight[o.MCC] = make(map[string]int)
			}
			weight[o.MCC][c]++
			key := o.MCC + "-" + o.MNC
			if plainMNC.MatchString(o.MNC) && !slices.Contains(networks[key], c) {
				networks[key] = append(networks[key], c)
			}
		}
	}
	rows := make(map[string]string)
	for mcc, places := range weight {
		if whole[mcc] == "" {
			whole[mcc] = join(sortedKeys(places), places)
			rows[mcc] = fmt.Sprintf("%s,%s,,,%s,", mcc, whole[mcc], listSource)
		}
	}
	for key, places := range networks {
		mcc := key[:3]
		if serves := join(places, weight[mcc]); serves != whole[mcc] {
			rows[key] = fmt.Sprintf("%s,%s,,,%s,", key, serves, listSource)
		}
	}
	return rows, nil
}

// join puts the territory with more networks under the MCC first, so that the likeliest leads.
func join(places []string, weight map[string]int) string {
	places = slices.Clone(places)
	slices.SortFunc(places, func(a, b string) int {
		if weight[a] != weight[b] {
			return weight[b] - weight[a]
		}
		return strings.Compare(a, b)
	})
	return strings.Join(places, " ")
}

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/bailiwick-dev/bailiwick/internal/authority"
	"github.com/bailiwick-dev/bailiwick/internal/web/preview/staged"
	"github.com/bailiwick-dev/bailiwick/policies"
)

// scene is a page to take pictures of.
type scene struct {
	name  string
	path  string
	owner int // phone whose owner looks it up first; -1 for none

	unfounded bool   // of a server whose officers have founded nothing
	upload    string // what is handed in on that page first: "policy" or "proposal"
}

// servers are the addresses of the faces.
type servers struct{ usual, unfounded string }

func scenes() []scene {
	list := []scene{{name: "public", path: "/", owner: -1}, {name: "login", path: "/console/login", owner: -1},
		{name: "policy-check", path: "/console/policy", owner: -1, upload: "policy"}, {name: "proposal", path: "/console/policy", owner: -1, upload: "proposal"}}
	for _, s := range []struct{ name, path string }{{"public", "/"}, {"overview", "/console/"}, {"policy", "/console/policy"}, {"officers", "/console/officers"}} {
		list = append(list, scene{name: "unfounded-" + s.name, path: s.path, owner: -1, unfounded: true})
	}
	for _, s := range []struct{ name, path string }{
		{"overview", "/console/"}, {"overview-noticed", "/console/?stage=noticed"}, {"devices", "/console/devices"},
		{"device-locked", "/console/devices/" + staged.ID(3).String()}, {"device-travel", "/console/devices/" + staged.ID(0).String()},
		{"device-lifted", "/console/devices/" + staged.ID(4).String()},
		{"waves", "/console/waves"}, {"wave", "/console/waves/7"}, {"cases", "/console/cases"}, {"case", "/console/cases/case-0001"}, {"case-counting", "/console/cases/case-0002"},
		{"case-uncounted", "/console/cases/case-0003"}, {"case-miscounted", "/console/cases/case-0004"}, {"devices-on", "/console/devices?model=None"},
		{"jobs", "/console/jobs"}, {"job", "/console/jobs/4"}, {"job-simulated", "/console/jobs/5"}, {"job-failed", "/console/jobs/2"}, {"job-retention", "/console/jobs/1"}, {"stragglers", "/console/cases/case-0001/stragglers/warrant-0001"},
		{"appeals", "/console/appeals"}, {"appeal", "/console/appeals/6"}, {"policy", "/console/policy"}, {"officers", "/console/officers"},
		{"missing", "/console/nowhere"},
	} {
		list = append(list, scene{name: s.name, path: s.path, owner: -1})
	}
	for _, lang := range []string{"en", "fa", "ar", "zh", "ru"} {
		list = append(list, scene{name: "owner-form-" + lang, path: "/owner?lang=" + lang, owner: -1},
			scene{name: "owner-noticed-" + lang, path: "/owner/phone?lang=" + lang, owner: 2}, scene{name: "owner-locked-" + lang, path: "/owner/phone?lang=" + lang, owner: 1})
	}
	return append(list, scene{name: "owner-lifted-es", path: "/owner/phone?lang=es", owner: 4}, scene{name: "owner-lifted-fa", path: "/owner/phone?lang=fa", owner: 4},
		scene{name: "owner-appealing-fr", path: "/owner/phone?lang=fr", owner: 6})
}

func takeShots(ctx context.Context, at servers, folder, only string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	profile, err := os.MkdirTemp("", "bailiwick-preview-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
	files, err := handedIn(profile)
	if err != nil {
		return err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-component-update", true))
	ctx, cancel := chromedp.NewExecAllocator(ctx, options...)
	defer cancel()
	ctx, cancel = chromedp.NewContext(ctx)
	defer cancel()
	if err := chromedp.Do(ctx); err != nil { // starts the browser, which outlives each picture's time limit
		return err
	}
	for _, s := range scenes() {
		for _, width := range []int64{1440, 390} {
			for _, scheme := range []string{"light", "dark"} {
				name := fmt.Sprintf("%s-%d-%s.png", s.name, width, scheme)
				if !strings.Contains(name, only) {
					continue
				}
				base := at.usual
				if s.unfounded {
					base = at.unfounded
				}
				picture, err := shoot(ctx, base, s, files[s.upload], width, scheme)
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
				if err := os.WriteFile(filepath.Join(folder, name), picture, 0o644); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// handedIn writes what scenes upload, into a folder: a policy, and its proposal with one signature.
func handedIn(folder string) (map[string]string, error) {
	a, err := staged.New()
	if err != nil {
		return nil, err
	}
	proposal, _, err := a.ProposePolicy(context.Background(), &authority.Officer{Name: "nora"}, "terms-2026-11.yaml", policies.Current)
	if err != nil {
		return nil, err
	}
	if proposal, err = a.Signing.Sign(proposal, "samir"); err != nil {
		return nil, err
	}
	files := map[string]string{"policy": filepath.Join(folder, "terms-2026-11.yaml"), "proposal": filepath.Join(folder, "policy-proposal.json")}
	return files, errors.Join(os.WriteFile(files["policy"], policies.Current, 0o600), os.WriteFile(files["proposal"], proposal, 0o600))
}

func shoot(ctx context.Context, base string, s scene, file string, width int64, scheme string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	officer := "token-nora"
	if strings.HasSuffix(s.name, "officers") {
		officer = "token-admin"
	}
	steps := []chromedp.Action[chromedp.Void]{
		chromedp.EmulateViewport(width, 900),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			return err
		}),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, network.SetCookie, network.SetCookieParams{Name: "bailiwick-session", Value: officer, URL: base + "/console"})
			return err
		}),
	}
	if s.owner >= 0 {
		steps = append(steps, chromedp.Navigate(base+"/owner?lang=en"), chromedp.SetValue(chromedp.CSS("#imei"), string(staged.IMEI(s.owner))),
			chromedp.SetValue(chromedp.CSS("#reference"), staged.Reference(s.owner)), chromedp.Click(chromedp.CSS("form button")),
			chromedp.WaitVisible(chromedp.CSS("#standing")))
	}
	steps = append(steps, chromedp.Navigate(base+s.path), chromedp.WaitVisible(chromedp.CSS("h1")))
	switch s.upload {
	case "policy":
		steps = append(steps, chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{file}), chromedp.Click(chromedp.CSS("section[aria-labelledby=upload] button")),
			chromedp.WaitVisible(chromedp.CSS("#propose")))
	case "proposal":
		steps = append(steps, chromedp.SetUploadFiles(chromedp.CSS("#proposal"), []string{file}), chromedp.Click(chromedp.CSS("button[value=look]")),
			chromedp.WaitVisible(chromedp.CSS("#signatures")))
	}
	if err := chromedp.Do(ctx, steps...); err != nil {
		return nil, err
	}
	overflow, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.documentElement.scrollWidth - document.documentElement.clientWidth`))
	if err != nil {
		return nil, err
	}
	if overflow > 0 {
		fmt.Printf("%s at %d: %d pixels too wide\n", s.name, width, overflow)
	}
	return chromedp.Run(ctx, chromedp.FullScreenshot(100))
}

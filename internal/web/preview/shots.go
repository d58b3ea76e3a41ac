package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/bailiwick-dev/bailiwick/internal/web/preview/staged"
)

// scene is a page to take pictures of.
type scene struct {
	name  string
	path  string
	owner int // phone whose owner looks it up first; -1 for none
}

func scenes() []scene {
	list := []scene{{"public", "/", -1}, {"login", "/console/login", -1}}
	for _, s := range []struct{ name, path string }{
		{"overview", "/console/"}, {"overview-noticed", "/console/?stage=noticed"}, {"devices", "/console/devices"},
		{"device-locked", "/console/devices/" + staged.ID(3).String()}, {"device-travel", "/console/devices/" + staged.ID(0).String()},
		{"device-lifted", "/console/devices/" + staged.ID(4).String()},
		{"waves", "/console/waves"}, {"wave", "/console/waves/7"}, {"cases", "/console/cases"}, {"case", "/console/cases/case-0001"},
		{"appeals", "/console/appeals"}, {"appeal", "/console/appeals/6"}, {"policy", "/console/policy"}, {"officers", "/console/officers"},
		{"missing", "/console/nowhere"},
	} {
		list = append(list, scene{s.name, s.path, -1})
	}
	for _, lang := range []string{"en", "fa", "ar", "zh", "ru"} {
		list = append(list, scene{"owner-form-" + lang, "/owner?lang=" + lang, -1},
			scene{"owner-noticed-" + lang, "/owner/phone?lang=" + lang, 2}, scene{"owner-locked-" + lang, "/owner/phone?lang=" + lang, 1})
	}
	return append(list, scene{"owner-lifted-es", "/owner/phone?lang=es", 4}, scene{"owner-lifted-fa", "/owner/phone?lang=fa", 4}, scene{"owner-appealing-fr", "/owner/phone?lang=fr", 6})
}

func takeShots(ctx context.Context, base, folder, only string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	profile, err := os.MkdirTemp("", "bailiwick-preview-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(profile)
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
				picture, err := shoot(ctx, base, s, width, scheme)
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

func shoot(ctx context.Context, base string, s scene, width int64, scheme string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	officer := "token-nora"
	if s.name == "officers" {
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

package e2e

const childFolder = "BAILIWICK_E2E_FOLDER"

func beServer() int { return 0 }

package controlplane

import (
	"fmt"
	"os"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"github.com/belaycd/belay/internal/sandbox/pki"
)

// contextName names the cluster, the user and the context in every kubeconfig that the sandbox writes.
const contextName = "belay-sandbox"

// WriteKubeconfig writes a kubeconfig with the certificates inside, so that the file may be copied anywhere. It refuses
// to replace a file that has other contexts, such as a user's ~/.kube/config.
func WriteKubeconfig(path, server string, authority *pki.Authority, user pki.Pair) error {
	if err := refuseForeign(path); err != nil {
		return err
	}
	cluster, auth := clientcmdapi.NewCluster(), clientcmdapi.NewAuthInfo()
	cluster.Server = server
	for _, file := range []struct {
		path string
		into *[]byte
	}{
		{authority.Cert, &cluster.CertificateAuthorityData},
		{user.Cert, &auth.ClientCertificateData},
		{user.Key, &auth.ClientKeyData},
	} {
		data, err := os.ReadFile(file.path)
		if err != nil {
			return fmt.Errorf("write kubeconfig %s: %w", path, err)
		}
		*file.into = data
	}
	context := clientcmdapi.NewContext()
	context.Cluster, context.AuthInfo = contextName, contextName

	config := clientcmdapi.NewConfig()
	config.Clusters[contextName] = cluster
	config.AuthInfos[contextName] = auth
	config.Contexts[contextName] = context
	config.CurrentContext = contextName
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", path, err)
	}
	return nil
}

func refuseForeign(path string) error {
	config, err := clientcmd.LoadFromFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("write kubeconfig %s: the file exists and is not a kubeconfig: %w", path, err)
	}
	for name := range config.Contexts {
		if name != contextName {
			return fmt.Errorf("write kubeconfig %s: the file holds the context %q, which is not the sandbox's; choose another file",
				path, name)
		}
	}
	return nil
}

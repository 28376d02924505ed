//! Certificates made for one test run: an authority, a server and a client.

use std::path::PathBuf;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};

use crate::Folder;

/// An authority and what it signed, as PEM files.
#[derive(Debug)]
pub struct Certificates {
    pub authority: PathBuf,
    /// Valid for `localhost` and `127.0.0.1`.
    pub server: Pem,
    pub client: Pem,
    /// An authority that signed nothing here.
    pub stranger: PathBuf,
    folder: Folder,
}

/// A certificate and its key, each in a file.
#[derive(Debug)]
pub struct Pem {
    pub certificate: PathBuf,
    pub key: PathBuf,
    /// Key and certificate in one file, as Kafka wants them.
    pub both: PathBuf,
}

impl Certificates {
    pub fn new() -> Self {
        let folder = Folder::new("certificates");
        let (authority_pem, authority) = authority("Saker test authority");
        let (stranger_pem, _) = self::authority("Another authority");
        let sign = |name: &str, names: &[&str], usage| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            let mut parameters = CertificateParams::new(names).expect("names of a certificate");
            parameters.distinguished_name.push(DnType::CommonName, name);
            parameters.extended_key_usages = vec![usage];
            let key = KeyPair::generate().expect("a key");
            let certificate = parameters.signed_by(&key, &authority).expect("a certificate").pem();
            let key = key.serialize_pem();
            Pem {
                both: folder.write(&format!("{name}-both.pem"), format!("{key}{certificate}")),
                certificate: folder.write(&format!("{name}.pem"), certificate),
                key: folder.write(&format!("{name}.key"), key),
            }
        };
        Self {
            server: sign(
                "server",
                &["localhost", "127.0.0.1"],
                ExtendedKeyUsagePurpose::ServerAuth,
            ),
            client: sign("client", &["client"], ExtendedKeyUsagePurpose::ClientAuth),
            authority: folder.write("authority.pem", authority_pem),
            stranger: folder.write("stranger.pem", stranger_pem),
            folder,
        }
    }

    pub fn folder(&self) -> &Folder {
        &self.folder
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

fn authority(name: &str) -> (String, Issuer<'static, KeyPair>) {
    let mut parameters = CertificateParams::new(Vec::new()).expect("no names");
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.distinguished_name.push(DnType::CommonName, name);
    let key = KeyPair::generate().expect("a key");
    let pem = parameters.self_signed(&key).expect("a certificate").pem();
    (pem, Issuer::new(parameters, key))
}
